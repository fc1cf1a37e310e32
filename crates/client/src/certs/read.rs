//! A certificate file, as `rumormill certs show` reads it.

use std::path::Path;

use rumormill_transport::CertificateInfo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Most bytes of a certificate file.
const MAX_FILE_LEN: u64 = 1 << 20;

/// Reads a certificate file, PEM. Gives what it says and its SHA-256 in hexadecimal.
///
/// # Errors
/// Says what is wrong with the file.
pub(super) fn read_certificate(path: &Path) -> Result<(CertificateInfo, String), String> {
    let pem = rumormill_limits::file::read_regular(path, MAX_FILE_LEN)
        .map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    let der = CertificateDer::from_pem_slice(&pem)
        .map_err(|why| format!("{} is no certificate in PEM: {why}", path.display()))?;
    let info = CertificateInfo::read(&der).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok((info, CertificateInfo::fingerprint(&der).to_string()))
}
