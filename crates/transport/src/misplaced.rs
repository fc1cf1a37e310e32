//! Files that are whole, and named for the wrong thing: a slip of the finger in a setting. Nothing of them is to be mended.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::CertificateInfo;

/// What a setting wants of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `cert`.
    Certificate,
    /// `key`.
    Key,
    /// `ca`.
    Ca,
    /// `pins`.
    Pins,
}

impl Wanted {
    const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "a node's certificate",
            Self::Key => "a private key",
            Self::Ca => "a CA certificate with a network id",
            Self::Pins => "a pin file",
        }
    }

    const fn way_out(self) -> &'static str {
        match self {
            Self::Certificate => {
                "nothing need be wrong with this file: give `cert` (`--cert`) the node's certificate, cert.pem; if that was \
                 written over, `rumormill certs issue NAME` makes it anew"
            }
            Self::Key => {
                "nothing need be wrong with this file: give `key` (`--key`) the node's key, key.pem; if that was written over, \
                 put a copy of it back"
            }
            Self::Ca => {
                "nothing need be wrong with this file: give `ca` (`--ca`) the certificate of the CA, ca.pem; if that was \
                 written over, put back the copy of any node"
            }
            Self::Pins => {
                "nothing need be wrong with this file: give `pins` (`--pins`) the file with the network id and a line for \
                 each node; see \"Without a CA\" in certs/README.md"
            }
        }
    }
}

/// A file that holds something else than is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} holds {holds} where {} is wanted", path.display(), wanted.words())]
pub struct Misplaced {
    path: PathBuf,
    holds: &'static str,
    wanted: Wanted,
}

impl Misplaced {
    /// Looks at what a file holds in which `wanted` was not found: PEM of something else, or nothing known.
    pub(crate) fn of(path: &Path, pem: &[u8], wanted: Wanted) -> Option<Self> {
        let holds = held(pem, wanted)?;
        Some(Self { path: path.to_owned(), holds, wanted })
    }

    /// What to do about it.
    #[must_use]
    pub const fn way_out(&self) -> &'static str {
        self.wanted.way_out()
    }
}

fn held(pem: &[u8], wanted: Wanted) -> Option<&'static str> {
    let Ok(der) = CertificateDer::from_pem_slice(pem) else {
        return PrivateKeyDer::from_pem_slice(pem).ok().map(|_| "a private key");
    };
    let info = CertificateInfo::read(&der).ok();
    // Certificates that people sign themselves often call themselves a CA's; one of ours has a network too.
    let is_ca = info.as_ref().is_some_and(|info| info.is_ca && info.network.is_some());
    match wanted {
        // What cannot be read, or is a CA's all the same, is damaged and not misplaced.
        Wanted::Ca if is_ca || info.is_none() => None,
        _ if is_ca => Some("a CA certificate"),
        _ => Some("a certificate"),
    }
}
