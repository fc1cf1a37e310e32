//! A node's key, its certificate, and the CA certificate it came with.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::{NetworkId, NodeId, Signature};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::CertificateInfo;
use crate::files::{self, FileError};
use crate::misplaced::{Misplaced, Wanted};
use crate::way_out::{CERTIFICATE, KEY};

/// Why there is no identity to run with.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file's content.
    #[error("{} is not {what}", path.display())]
    Content {
        /// The file that is not.
        path: PathBuf,
        /// What the file was expected to hold.
        what: &'static str,
        /// What to do about it, in words for people.
        way: &'static str,
    },
    /// A whole file, named for the wrong thing.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The key is not the certificate's.
    #[error("the key in {} is not the one in the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The file that the key came from.
        key: PathBuf,
        /// The file that the certificate came from.
        certificate: PathBuf,
    },
}

impl IdentityError {
    /// What to do about it, where one file is to be mended.
    #[must_use]
    pub const fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::Content { way, .. } => Some(way),
            Self::Misplaced(why) => Some(why.way_out()),
            _ => None,
        }
    }
}

/// Who this node is. Its key never leaves this value except to TLS.
pub struct Identity {
    name: String,
    node: NodeId,
    network: Option<NetworkId>,
    valid: (SystemTime, SystemTime),
    certificate: CertificateDer<'static>,
    pkcs8: Vec<u8>,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).field("node", &self.node).finish_non_exhaustive()
    }
}

fn bad(path: &Path, what: &'static str, way: &'static str) -> IdentityError {
    IdentityError::Content { path: path.to_owned(), what, way }
}

fn no_certificate(path: &Path, pem: &[u8]) -> IdentityError {
    match Misplaced::of(path, pem, Wanted::Certificate) {
        Some(why) => why.into(),
        None => bad(path, "a PEM certificate", CERTIFICATE),
    }
}

fn load_key(path: &Path) -> Result<(Vec<u8>, Ed25519KeyPair), IdentityError> {
    let pem = files::read_key(path).map_err(|why| {
        // Everybody may read a certificate: then its mode is not what is wrong.
        let other = files::read_trusted(path).ok().and_then(|pem| misplaced_key(path, &pem));
        other.map_or_else(|| why.into(), IdentityError::from)
    })?;
    files::check_dir_of(path)?;
    let pkcs8 = match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(PrivateKeyDer::Pkcs8(pkcs8)) => pkcs8.secret_pkcs8_der().to_vec(),
        Ok(_) => return Err(bad(path, "a PKCS#8 private key", KEY)),
        Err(_) => {
            return Err(
                misplaced_key(path, &pem).map_or_else(|| bad(path, "a PEM private key", KEY), IdentityError::from)
            );
        }
    };
    let pair =
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| bad(path, "an Ed25519 private key", KEY))?;
    Ok((pkcs8, pair))
}

/// A key that everybody can read stays one that is not used, whatever else stands in its file.
fn misplaced_key(path: &Path, pem: &[u8]) -> Option<Misplaced> {
    let no_key = PrivateKeyDer::from_pem_slice(pem).is_err();
    Misplaced::of(path, pem, Wanted::Key).filter(|_| no_key)
}

/// The certificate of the CA is a certificate too, of another key.
fn mismatch(certificate: &Path, key: &Path, pem: &[u8], info: &CertificateInfo) -> IdentityError {
    let of_ca = info.is_ca && info.network.is_some();
    match Misplaced::of(certificate, pem, Wanted::Certificate).filter(|_| of_ca) {
        Some(why) => why.into(),
        None => IdentityError::Mismatch { key: key.to_owned(), certificate: certificate.to_owned() },
    }
}

impl Identity {
    /// Reads a certificate and its key, both PEM. Both, and the directories in which they are, belong to our user or to root, and
    /// are written by nobody else.
    ///
    /// # Errors
    /// Names the file or directory and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let pem = files::read_trusted(certificate)?;
        files::check_dir_of(certificate)?;
        let der = CertificateDer::from_pem_slice(&pem).map_err(|_| no_certificate(certificate, &pem))?;
        let info = CertificateInfo::read(&der).map_err(|_| bad(certificate, "an Ed25519 certificate", CERTIFICATE))?;
        let (pkcs8, pair) = load_key(key)?;
        if pair.public_key().as_ref() != info.node.as_bytes() {
            return Err(mismatch(certificate, key, &pem, &info));
        }
        let valid = (info.not_before, info.not_after);
        Ok(Self { name: info.name, node: info.node, network: info.network, valid, certificate: der, pkcs8, pair })
    }

    /// The name in the certificate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key, which is the node id.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The network id in the certificate; none in one that is only pinned.
    #[must_use]
    pub const fn network(&self) -> Option<NetworkId> {
        self.network
    }

    /// From when and until when its certificate is valid.
    #[must_use]
    pub const fn valid(&self) -> (SystemTime, SystemTime) {
        self.valid
    }

    /// The certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Ed25519 over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut out = Signature::ZERO;
        for (slot, byte) in out.0.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *slot = *byte;
        }
        out
    }

    pub(crate) fn tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], PrivatePkcs8KeyDer::from(self.pkcs8.clone()).into())
    }
}
