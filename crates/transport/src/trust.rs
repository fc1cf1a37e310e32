//! Who belongs to the network: those whose certificate chains to its CA, or those in a pin file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::{NetworkId, NodeId};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificate::CertificateInfo;
use crate::clock::seconds;
use crate::files::{self, FileError};
use crate::misplaced::{Misplaced, Wanted};
use crate::refusal::Refusal;
use crate::way_out;

/// Most nodes in a pin file. The bound on the file holds before it: 1 MiB has some 15,000 lines.
pub const MAX_PINS: usize = 100_000;

/// Why there is no trust to run with.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A CA certificate is not one.
    #[error("{} is not a CA certificate with a network id", .0.display())]
    NoCa(PathBuf),
    /// A whole file, named for the wrong thing.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// A line of the pin file.
    #[error("{}, line {line}: {what}", path.display())]
    Pin {
        /// Where the pin file lies.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is expected there instead, or wrong.
        what: &'static str,
    },
}

impl TrustError {
    /// What to do about it, where one file is to be mended.
    #[must_use]
    pub const fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::NoCa(_) => Some(way_out::CA_PEM),
            Self::Misplaced(why) => Some(why.way_out()),
            Self::Pin { .. } => Some(way_out::PINS),
            Self::File(_) => None,
        }
    }
}

/// Who belongs to the network, by a CA or by a list of keys.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Whose certificate chains to this CA.
    Network(NetworkTrust),
    /// Who is in this file.
    Pinned(Pins),
}

/// A CA certificate and what checks against it.
#[derive(Debug, Clone)]
pub struct NetworkTrust {
    network: NetworkId,
    key: NodeId,
    chain: Arc<dyn ClientCertVerifier>,
}

/// The pin file: the network id in the first line, then a node id and a name in each.
#[derive(Debug, Clone)]
pub struct Pins {
    network: NetworkId,
    nodes: Arc<BTreeMap<NodeId, String>>,
}

/// The one crypto provider, with post-quantum key exchange first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    use rustls::crypto::aws_lc_rs as lc;
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    let make = || {
        let kx_groups = vec![lc::kx_group::X25519MLKEM768, lc::kx_group::X25519];
        Arc::new(CryptoProvider { kx_groups, ..lc::default_provider() })
    };
    Arc::clone(PROVIDER.get_or_init(make))
}

/// The provider of handshakes: with `post_quantum`, that key exchange and no other.
pub(crate) fn handshake_provider(post_quantum: bool) -> Arc<CryptoProvider> {
    let all = provider();
    if !post_quantum {
        return all;
    }
    let kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(CryptoProvider { kx_groups, ..(*all).clone() })
}

impl Trust {
    /// Trust in a CA certificate, PEM.
    ///
    /// # Errors
    /// The file cannot be read, or is none; it, or its directory, is another user's, or others can write it.
    pub fn network_ca(path: &Path) -> Result<Self, TrustError> {
        let pem = files::read_trusted(path)?;
        files::check_dir_of(path)?;
        let ca = CertificateDer::from_pem_slice(&pem).ok().and_then(|der| Self::from_ca(&der));
        ca.ok_or_else(|| match Misplaced::of(path, &pem, Wanted::Ca) {
            Some(why) => why.into(),
            None => TrustError::NoCa(path.to_owned()),
        })
    }

    /// Trust in a CA certificate, DER. `None` if it is no CA certificate with a network id.
    #[must_use]
    pub fn from_ca(der: &CertificateDer<'static>) -> Option<Self> {
        let info = CertificateInfo::read(der).ok().filter(|info| info.is_ca)?;
        let mut roots = RootCertStore::empty();
        roots.add(der.clone()).ok()?;
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()?;
        Some(Self::Network(NetworkTrust { network: info.network?, key: info.node, chain }))
    }

    /// Trust in a pin file.
    ///
    /// # Errors
    /// Names the line and what is wrong with it; or the file, or its directory, is not ours as with [`Trust::network_ca`].
    pub fn pinned(path: &Path) -> Result<Self, TrustError> {
        let text = files::read_trusted_text(path)?;
        files::check_dir_of(path)?;
        if let Some(why) = Misplaced::of(path, text.as_bytes(), Wanted::Pins) {
            return Err(why.into());
        }
        let pin = |line, what| TrustError::Pin { path: path.to_owned(), line, what };
        let mut network = None;
        let mut nodes = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (n, line) in (1..).zip(text.lines()) {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(first) = words.next() else { continue };
            if network.is_none() {
                let id = first.parse().map_err(|_| pin(n, "expected the network id, 64 hexadecimal digits"))?;
                network = Some(id);
                continue;
            }
            let node = first.parse().map_err(|_| pin(n, "expected a node id, 64 hexadecimal digits"))?;
            let name = words.next().ok_or_else(|| pin(n, "expected a name after the node id"))?;
            if !crate::certificate::is_name(name) {
                return Err(pin(n, "the name is not of small letters, digits and '-'"));
            }
            if !names.insert(name) {
                return Err(pin(n, "the name stands here twice"));
            }
            if nodes.len() >= MAX_PINS || nodes.insert(node, name.to_owned()).is_some() {
                return Err(pin(n, "a node id stands here twice, or there are too many"));
            }
        }
        let network = network.ok_or_else(|| pin(1, "expected the network id"))?;
        Ok(Self::Pinned(Pins { network, nodes: Arc::new(nodes) }))
    }

    /// The network whose members are told here.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        match self {
            Self::Network(trust) => trust.network,
            Self::Pinned(pins) => pins.network,
        }
    }

    /// Whose signature a revocation list needs; nobody's where trust is pinned (edit the file instead).
    #[must_use]
    pub const fn ca_key(&self) -> Option<NodeId> {
        match self {
            Self::Network(trust) => Some(trust.key),
            Self::Pinned(_) => None,
        }
    }

    /// The pinned nodes and their names: members without evidence.
    pub fn pins(&self) -> impl Iterator<Item = (NodeId, &str)> {
        let pins = match self {
            Self::Network(_) => None,
            Self::Pinned(pins) => Some(pins.nodes.iter().map(|(node, name)| (*node, name.as_str()))),
        };
        pins.into_iter().flatten()
    }

    /// Checks a certificate for a link: who it is, and that it belongs and is valid now.
    ///
    /// # Errors
    /// The [`Refusal`] says why not.
    pub fn check_link(&self, der: &CertificateDer<'_>, now: UnixTime) -> Result<CertificateInfo, Refusal> {
        let mut info = CertificateInfo::read(der)?;
        match self {
            Self::Network(trust) => {
                trust.chain.verify_client_cert(der, &[], now).map_err(|why| Refusal::of_tls(&why))?;
                if info.network != Some(trust.network) {
                    return Err(Refusal::WrongNetwork);
                }
                if info.name.is_empty() {
                    return Err(Refusal::BadCertificate);
                }
            }
            Self::Pinned(pins) => {
                info.name = pins.nodes.get(&info.node).ok_or(Refusal::NotPinned)?.clone();
                if now.as_secs() < seconds(info.not_before) {
                    return Err(Refusal::NotYetValid);
                }
                if now.as_secs() > seconds(info.not_after) {
                    return Err(Refusal::Expired);
                }
            }
        }
        Ok(info)
    }

    /// Checks a certificate for admitting an author: as for a link, but at the beginning of its own validity, for dates
    /// judge links and never messages (P-B, "Origins are members").
    ///
    /// # Errors
    /// The [`Refusal`] says why not.
    pub fn check_member(&self, node: &NodeId, der: &[u8]) -> Result<CertificateInfo, Refusal> {
        let info = CertificateInfo::read(der)?;
        if info.node != *node {
            return Err(Refusal::WrongName);
        }
        // The CA's own dates do not count: it is trusted as a key. So a renewed CA certificate changes no verdict.
        let begun = UnixTime::since_unix_epoch(Duration::from_secs(seconds(info.not_before).saturating_add(1)));
        self.check_link(&CertificateDer::from(der), begun)
    }
}
