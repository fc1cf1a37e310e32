//! Certificates, for the programs that people run: the local CA and what it issues.

pub use rumormill_transport::certificate::is_name;
pub use rumormill_transport::lost_list::{AtNode, Before, Restored};
pub use rumormill_transport::revoke::{Cut, Done, OddDate};
pub use rumormill_transport::{CaError, CertificateInfo, LocalCa, Revocations, Trust, TrustError, default_home};
pub use rumormill_transport::{Issued, NODE_VALIDITY};
pub use rumormill_wire::native::{MAX_CUT_INCARNATIONS, place_of};
pub use rumormill_wire::{Incarnation, NodeId, Seq};

use std::path::Path;

/// Most bytes of a certificate file.
const MAX_FILE_LEN: u64 = 1 << 20;

/// Reads a certificate file, PEM. Gives what it says and its SHA-256 in hexadecimal.
///
/// # Errors
/// Says what is wrong with the file.
pub fn read_certificate(path: &Path) -> Result<(CertificateInfo, String), String> {
    use rustls_pki_types::pem::PemObject;
    let pem = rumormill_limits::file::read_regular(path, MAX_FILE_LEN)
        .map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(&pem)
        .map_err(|why| format!("{} is no certificate in PEM: {why}", path.display()))?;
    let info = CertificateInfo::read(&der).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok((info, CertificateInfo::fingerprint(&der).to_string()))
}
