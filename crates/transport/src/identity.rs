//! A node's key, its certificate, and the CA certificate it came with.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::{NetworkId, NodeId, Signature};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::CertificateInfo;
use crate::files::{self, FileError};
use crate::way_out;

/// Why there is no identity to run with.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file's content.
    #[error("{} is not {what}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What to do.
        way: &'static str,
    },
    /// The key is not the certificate's.
    #[error("the key in {} is not the one in the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
}

impl IdentityError {
    /// What to do about it, where one file is to be mended.
    #[must_use]
    pub const fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::Content { way, .. } => Some(way),
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

impl Identity {
    /// Reads a certificate and its key, both PEM.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let content = |path: &Path, what| {
            let way = if path == certificate { way_out::CERTIFICATE } else { way_out::KEY };
            IdentityError::Content { path: path.to_owned(), what, way }
        };
        let der = CertificateDer::from_pem_slice(&files::read(certificate)?)
            .map_err(|_| content(certificate, "a PEM certificate"))?;
        let info = CertificateInfo::read(&der).map_err(|_| content(certificate, "an Ed25519 certificate"))?;
        let PrivateKeyDer::Pkcs8(pkcs8) =
            PrivateKeyDer::from_pem_slice(&files::read_key(key)?).map_err(|_| content(key, "a PEM private key"))?
        else {
            return Err(content(key, "a PKCS#8 private key"));
        };
        let pkcs8 = pkcs8.secret_pkcs8_der().to_vec();
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| content(key, "an Ed25519 private key"))?;
        if pair.public_key().as_ref() != info.node.as_bytes() {
            return Err(IdentityError::Mismatch { key: key.to_owned(), certificate: certificate.to_owned() });
        }
        let valid = (info.not_before, info.not_after);
        Ok(Self { name: info.name, node: info.node, network: info.network, valid, certificate: der, pkcs8, pair })
    }

    /// The name in the certificate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
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
