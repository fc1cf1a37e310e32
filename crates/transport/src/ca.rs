//! The local CA: made once in a directory (certs/README.md). What it issues is in `issue`, whom it revokes in
//! `revoke`.
//!
//! ```text
//! HOME/ca/ca.pem, ca.key, automatic      one unit, renamed into place
//! HOME/nodes/NAME/cert.pem, key.pem      issued here
//! HOME/nodes/NAME/lock                   taken while these are made
//! HOME/nodes/NAME/until                  until when the certificates of its keys are valid
//! HOME/revoked.bin                       the list in force
//! HOME/revoked.number                    the number of the last list that was made here
//! HOME/retired                           who left the list: keys that get no certificate again
//! HOME/lock                              taken while the CA or the list is made
//! ```

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rumormill_wire::{NetworkId, NodeId};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{CertificateInfo, NETWORK_OID};
use crate::files::{self, FileError};
use crate::identity::IdentityError;
use crate::pkcs8;

const CA_VALIDITY: Duration = Duration::from_secs(20 * 366 * 86_400);
/// Certificates hold from a little before now, for clocks that are not quite right.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// Why the CA could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An identity that is there does not load.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A CA is there already.
    #[error("{} holds a CA already; it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("no CA in {}; make one with `rumormill certs init`", .0.display())]
    Missing(PathBuf),
    /// A file of the CA is not what it should be.
    #[error("{} is not {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// Not a name.
    #[error(
        "{0:?} is no node name: small letters, digits and '-', 1 to 63 of them, with a letter or digit at both ends"
    )]
    Name(String),
    /// Another node has this name.
    #[error(
        "the name {name:?} is taken by node {node}; give the directory that has its key, or revoke that node first"
    )]
    Taken {
        /// The name.
        name: String,
        /// Who has it.
        node: NodeId,
    },
    /// The key has another name.
    #[error("the key in {} is of node {node}, which has the name {other:?}: names would differ from reader to reader; give a directory without a key", path.display())]
    Named {
        /// Where the key lies.
        path: PathBuf,
        /// Whose it is.
        node: NodeId,
        /// The name it has.
        other: String,
    },
    /// No such node was issued here.
    #[error("no certificate for {0:?} was issued here; give the node id in full")]
    Unknown(String),
    /// The revocation list is full or its form broken.
    #[error("revocation list: {0}")]
    Revocations(String),
    /// The list of this home is gone, or an old copy: nodes would not take what is made from it.
    #[error("{} has list {has}, but {sign}: it is lost, or an old copy", path.display())]
    ListLost {
        /// Where it should be.
        path: PathBuf,
        /// The number of the one there; 0 for none.
        has: u64,
        /// By what one sees it.
        sign: String,
    },
    /// The key where the certificate would go is revoked.
    #[error("the key {} is of node {node}, which is revoked: it gets no certificate, and is not replaced unasked", path.display())]
    RevokedKey {
        /// Where the key lies.
        path: PathBuf,
        /// Whose it is.
        node: NodeId,
    },
    /// Where a revoked key would be kept there is something else.
    #[error("{} is not the revoked key that would be kept there", .0.display())]
    NotTheKey(PathBuf),
    /// The key generator or signer failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Neither of the variables that name a home is set.
    #[error("no home directory: set RUMORMILL_HOME, XDG_STATE_HOME or HOME")]
    NoHome,
}

impl CaError {
    /// Whether it was asked for wrongly: a name that is none, of nobody, a home without a CA, or a file for a directory.
    #[must_use]
    pub fn is_asked_wrongly(&self) -> bool {
        match self {
            Self::Name(_) | Self::Unknown(_) | Self::Missing(_) => true,
            Self::File(why) => why.is_no_directory(),
            _ => false,
        }
    }
}

/// Where the local CA lives when nothing names it: `$RUMORMILL_HOME`, `$XDG_STATE_HOME/rumormill`,
/// `~/.local/state/rumormill`.
///
/// # Errors
/// [`CaError::NoHome`] if none of the variables is set.
pub fn default_home() -> Result<PathBuf, CaError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("RUMORMILL_HOME")
        .or_else(|| set("XDG_STATE_HOME").map(|dir| dir.join("rumormill")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/state/rumormill")))
        .ok_or(CaError::NoHome)
}

/// A CA in a directory.
#[derive(Debug)]
pub struct LocalCa {
    home: PathBuf,
    certificate: CertificateDer<'static>,
    network: NetworkId,
    automatic: bool,
}

impl LocalCa {
    /// Opens the CA of this home, or makes one that serves loopback only. Racing callers end with the same one.
    ///
    /// # Errors
    /// A file cannot be made or read.
    pub fn open_or_create(home: &Path) -> Result<Self, CaError> {
        match Self::open(home) {
            Err(CaError::Missing(_)) => {}
            other => return other,
        }
        files::private_dir(home)?;
        let _lock = files::lock(&home.join("lock"))?;
        match Self::open(home) {
            Err(CaError::Missing(_)) => Self::make(home, true),
            other => other,
        }
    }

    /// Makes a CA on purpose.
    ///
    /// # Errors
    /// [`CaError::Exists`] if there is one.
    pub fn init(home: &Path) -> Result<Self, CaError> {
        files::private_dir(home)?;
        let _lock = files::lock(&home.join("lock"))?;
        match Self::open(home) {
            Err(CaError::Missing(_)) => Self::make(home, false),
            Ok(_) => Err(CaError::Exists(home.join("ca"))),
            Err(other) => Err(other),
        }
    }

    /// Opens the CA of this home. Its key is not read.
    ///
    /// # Errors
    /// [`CaError::Missing`] if there is none.
    pub fn open(home: &Path) -> Result<Self, CaError> {
        let path = home.join("ca/ca.pem");
        // Who can write here chooses the CA, and whose keys it certifies.
        for dir in [home, &home.join("ca")] {
            match files::check_dir(dir) {
                Err(why) if why.is_missing() => return Err(CaError::Missing(home.to_owned())),
                other => other?,
            }
        }
        let pem = match files::read_trusted(&path) {
            Err(why) if why.is_missing() => return Err(CaError::Missing(home.to_owned())),
            other => other?,
        };
        let bad = || CaError::Content { path: path.clone(), what: "a CA certificate with a network id" };
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| bad())?;
        let info = CertificateInfo::read(&certificate).map_err(|_| bad())?;
        let network = info.network.filter(|_| info.is_ca).ok_or_else(bad)?;
        let automatic = home.join("ca/automatic").exists();
        Ok(Self { home: home.to_owned(), certificate, network, automatic })
    }

    fn make(home: &Path, automatic: bool) -> Result<Self, CaError> {
        let mut network = NetworkId::ZERO;
        aws_lc_rs::rand::fill(&mut network.0).map_err(|_| rcgen::Error::RingUnspecified)?;
        let key = pkcs8::generate()?;
        let mut params = ca_params(&network);
        (params.not_before, params.not_after) = validity(CA_VALIDITY);
        let certificate = params.self_signed(&key)?;
        let beside = home.join(format!("ca.new-{}", std::process::id()));
        match fs::remove_dir_all(&beside) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(FileError::at("clear", &beside)(why).into()),
            _ => {}
        }
        files::private_dir(&beside)?;
        let (key, pem) = (key.serialize_pem(), certificate.pem());
        let mut parts = vec![(Path::new("ca.key"), key.as_bytes()), (Path::new("ca.pem"), pem.as_bytes())];
        if automatic {
            parts.push((Path::new("automatic"), b"serves loopback only\n"));
        }
        files::write_private_all(&beside, &parts)?;
        let place = home.join("ca");
        fs::rename(&beside, &place).map_err(FileError::at("make", &place))?;
        files::sync_dir(home).map_err(FileError::at("sync", home))?;
        Self::open(home)
    }

    /// The network id.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Whether nobody asked for it: it then serves loopback only.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// The CA certificate, PEM.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        self.home.join("ca/ca.pem")
    }

    /// The CA certificate, DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn key(&self) -> Result<KeyPair, CaError> {
        let path = self.home.join("ca/ca.key");
        let pem = files::read_key_text(&path)?;
        KeyPair::from_pem(&pem).map_err(|_| CaError::Content { path, what: "the key of the CA" })
    }
}

pub(crate) fn ca_params(network: &NetworkId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let id = network.to_string();
    params.distinguished_name.push(DnType::CommonName, format!("Rumormill {}", id.get(..16).unwrap_or(&id)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.custom_extensions = vec![network_extension(network)];
    params
}

pub(crate) fn network_extension(network: &NetworkId) -> CustomExtension {
    CustomExtension::from_oid_content(NETWORK_OID, network.0.to_vec())
}

pub(crate) fn validity(valid_for: Duration) -> (time::OffsetDateTime, time::OffsetDateTime) {
    let now = SystemTime::now();
    let from = now.checked_sub(CLOCK_SLACK).unwrap_or(now);
    (from.into(), now.checked_add(valid_for).unwrap_or(now).into())
}
