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
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rumormill_limits::DAY_S;
use rumormill_wire::NetworkId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use crate::ca_error::CaError;
use crate::certificate::{CertificateInfo, NETWORK_OID};
use crate::clock::{Clock, Validity};
use crate::files::{self, FileError};
use crate::pkcs8;
use crate::way_out;

/// How long a CA certificate holds: 20 years. When it ends the network ends, since nothing replaces the CA.
const CA_VALIDITY: Duration = Duration::from_secs(20 * 366 * DAY_S);

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
    pub(crate) clock: Clock,
}

impl LocalCa {
    /// The same, but what it signs is dated by this clock.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Opens the CA of this home, or makes one that serves loopback only. Racing callers end with the same one.
    ///
    /// # Errors
    /// A file cannot be made or read, or by the clock of this machine no CA can be made.
    pub fn open_or_create(home: &Path) -> Result<Self, CaError> {
        Self::open_or_create_by(home, Clock::default())
    }

    /// [`LocalCa::open_or_create`] by another clock, which stays that of the CA.
    ///
    /// # Errors
    /// As [`LocalCa::open_or_create`].
    pub fn open_or_create_by(home: &Path, clock: Clock) -> Result<Self, CaError> {
        match Self::open(home) {
            Err(CaError::Missing(_)) => {}
            other => return Ok(other?.by(clock)),
        }
        let valid = clock.validity(CA_VALIDITY)?;
        files::private_dir(home)?;
        let _lock = files::lock(&home.join("lock"))?;
        let ca = match Self::open(home) {
            Err(CaError::Missing(_)) => Self::make(home, true, valid)?,
            other => other?,
        };
        Ok(ca.by(clock))
    }

    /// Makes a CA on purpose.
    ///
    /// # Errors
    /// [`CaError::Exists`] if there is one; a file cannot be made, or by the clock of this machine no CA.
    pub fn init(home: &Path) -> Result<Self, CaError> {
        Self::init_by(home, Clock::default())
    }

    /// [`LocalCa::init`] by another clock, which stays that of the CA.
    ///
    /// # Errors
    /// As [`LocalCa::init`].
    pub fn init_by(home: &Path, clock: Clock) -> Result<Self, CaError> {
        let valid = clock.validity(CA_VALIDITY)?;
        files::private_dir(home)?;
        let _lock = files::lock(&home.join("lock"))?;
        match Self::open(home) {
            Err(CaError::Missing(_)) => Ok(Self::make(home, false, valid)?.by(clock)),
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
            Err(why) if why.is_missing() && home.join("ca/ca.key").exists() => {
                let what = "there, and the key of that CA is";
                return Err(CaError::Content { path, what, way: way_out::CA_PEM });
            }
            Err(why) if why.is_missing() => return Err(CaError::Missing(home.to_owned())),
            other => other?,
        };
        let bad = || CaError::Content {
            path: path.clone(),
            what: "a CA certificate with a network id",
            way: way_out::CA_PEM,
        };
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| bad())?;
        let info = CertificateInfo::read(&certificate).map_err(|_| bad())?;
        let network = info.network.filter(|_| info.is_ca).ok_or_else(bad)?;
        let automatic = home.join("ca/automatic").exists();
        Ok(Self { home: home.to_owned(), certificate, network, automatic, clock: Clock::default() })
    }

    fn make(home: &Path, automatic: bool, valid: Validity) -> Result<Self, CaError> {
        let mut network = NetworkId::ZERO;
        aws_lc_rs::rand::fill(&mut network.0).map_err(|_| rcgen::Error::RingUnspecified)?;
        let key = pkcs8::generate()?;
        let mut params = ca_params(&network);
        (params.not_before, params.not_after) = (valid.from, valid.until);
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

    /// The id of the network of this CA, drawn when it was made.
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

    /// The directory that holds the CA, its identities and its revocation list.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn key(&self) -> Result<KeyPair, CaError> {
        let path = self.home.join("ca/ca.key");
        let pem = files::read_key(&path)?;
        pkcs8::key(&pem).ok_or(CaError::Content { path, what: "the key of the CA", way: way_out::CA_KEY })
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
