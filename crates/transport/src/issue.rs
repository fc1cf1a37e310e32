//! What the local CA issues: a key and a certificate for a name (certs/README.md).

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519,
};
use rumormill_limits::DAY_S;
use rumormill_wire::NodeId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::ca::{CaError, LocalCa, ca_params, network_extension};
use crate::certificate::{CertificateInfo, NAME_SUFFIX, is_name};
use crate::clock::Validity;
use crate::files::{self, FileError};
use crate::identity::{Identity, IdentityError};
use crate::pkcs8;
use crate::revoke::ends;
use crate::way_out;

/// How long a node certificate holds unless told otherwise: 398 days, the term of web certificates (CA/Browser Forum, 6.3.2). A key
/// that nobody knows to be lost serves no longer.
pub const NODE_VALIDITY: Duration = Duration::from_secs(398 * DAY_S);

/// An automatic certificate that has less than this left at a start is made anew: 30 days, so that a node which is started once a
/// month never runs with one that ends.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * DAY_S);

/// Where an issued identity lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// The key, PEM, for its owner alone.
    pub key: PathBuf,
    /// The CA certificate, PEM.
    pub ca: PathBuf,
}

/// Whether a certificate is valid now and for a while.
fn holds(identity: &Identity, now: SystemTime) -> bool {
    let (from, until) = identity.valid();
    from <= now && now.checked_add(RENEWED_BEFORE).is_some_and(|then| then < until)
}

fn read_key(path: &Path) -> Result<Option<KeyPair>, CaError> {
    match files::read_key(path) {
        Ok(pem) => match pkcs8::key(&pem) {
            Some(key) if key.is_compatible(&PKCS_ED25519) => Ok(Some(key)),
            _ => Err(CaError::Content { path: path.to_owned(), what: "an Ed25519 private key", way: way_out::KEY }),
        },
        Err(why) if why.is_missing() => Ok(None),
        Err(why) => Err(why.into()),
    }
}

fn node_of(key: &KeyPair) -> Option<NodeId> {
    key.public_key_raw().try_into().ok().map(NodeId)
}

/// A revoked key gets another name before a new one takes its place: it may still be wanted, for letters or as evidence.
fn quarantine_key(path: &Path, node: &NodeId) -> Result<(), CaError> {
    let id = node.to_string();
    let mut quarantine = path.as_os_str().to_owned();
    quarantine.push(format!(".revoked-{}", id.get(..16).unwrap_or(&id)));
    let quarantine = PathBuf::from(quarantine);
    match std::fs::hard_link(path, &quarantine) {
        Ok(()) => Ok(()),
        // An earlier try may have come so far.
        Err(why) if why.kind() == ErrorKind::AlreadyExists => match read_key(&quarantine) {
            Ok(Some(key)) if node_of(&key) == Some(*node) => Ok(()),
            _ => Err(CaError::NotTheKey(quarantine)),
        },
        Err(why) => Err(FileError::at("keep the revoked key as", &quarantine)(why).into()),
    }
}

impl LocalCa {
    /// Issues a certificate. A node that has one from here keeps its key, so its node id: that is how certificates are
    /// renewed. Files go to `out`, or to this home's place for the name. A name whose key is revoked comes back with another
    /// key, as another node, where no key lies.
    ///
    /// # Errors
    /// The name is none, another node that is not revoked has it, the key has another name or is revoked, by the clock no
    /// certificate can be made, or a file cannot be.
    pub fn issue(&self, name: &str, valid_for: Duration, out: Option<&Path>) -> Result<Issued, CaError> {
        self.issue_as(name, valid_for, out, false)
    }

    /// [`LocalCa::issue`], but a revoked key that lies there is put aside, as `key.pem.revoked-` and the first 16 digits of its
    /// node id, and a new one is made.
    ///
    /// # Errors
    /// As [`LocalCa::issue`], or something else lies where the revoked key would be kept.
    pub fn issue_new_key(&self, name: &str, valid_for: Duration, out: Option<&Path>) -> Result<Issued, CaError> {
        self.issue_as(name, valid_for, out, true)
    }

    fn issue_as(&self, name: &str, valid_for: Duration, out: Option<&Path>, anew: bool) -> Result<Issued, CaError> {
        if !is_name(name) {
            return Err(CaError::Name(name.to_owned()));
        }
        let valid = self.clock.validity(valid_for)?;
        let _lock = self.lock_name(name)?;
        self.issue_locked(name, valid, out, anew)
    }

    /// A lock of the name's own: processes that start together need not wait for each other's disk.
    fn lock_name(&self, name: &str) -> Result<File, CaError> {
        let place = self.home().join("nodes").join(name);
        files::private_dir(&place)?;
        Ok(files::lock(&place.join("lock"))?)
    }

    fn issue_locked(&self, name: &str, valid: Validity, out: Option<&Path>, anew: bool) -> Result<Issued, CaError> {
        let place = self.home().join("nodes").join(name);
        let dir = out.map_or_else(|| place.clone(), Path::to_owned);
        let ca = out.map_or_else(|| self.certificate_path(), |dir| dir.join("ca.pem"));
        let issued = Issued { certificate: dir.join("cert.pem"), key: dir.join("key.pem"), ca };
        files::private_dir(&dir)?;
        if out.is_some() {
            self.check_own(&issued.certificate, false)?;
            self.check_own(&issued.ca, true)?;
        }
        let (key, revoked_key) = self.key_for(&issued, &place, anew)?;
        self.check_free(name, key.public_key_raw())?;
        self.check_unnamed(name, key.public_key_raw(), &issued.key)?;
        let pem = self.signed(name, &key, valid)?;
        if let Ok(node) = key.public_key_raw().try_into().map(NodeId) {
            // One that was not noted may hold for longer than this.
            let had_one = match self.issued(name) {
                Ok(before) => before.node == node,
                Err(why) => !matches!(why, CaError::Unknown(_)),
            };
            self.note_end(&place, &node, valid.until_s, had_one)?;
        }
        if let Some(node) = revoked_key {
            quarantine_key(&issued.key, &node)?;
        }
        self.write(&place, out, &key.serialize_pem(), &pem)?;
        Ok(issued)
    }

    /// The key that gets a certificate: what lies there, what the name has here, or a new one; and the node of a revoked key that lies in its
    /// place, which is an error unless a new one is wanted (`anew`).
    fn key_for(&self, issued: &Issued, place: &Path, anew: bool) -> Result<(KeyPair, Option<NodeId>), CaError> {
        // By a list that is lost nobody can say whose key is revoked.
        let (revoked, retired) = (self.last_list()?, self.retired()?);
        let lives = |key: &KeyPair| {
            let node = key.public_key_raw().try_into().map(NodeId);
            node.is_ok_and(|node| !revoked.revokes(&node) && !retired.contains(&node))
        };
        let there = read_key(&issued.key)?;
        let revoked_key = there.as_ref().filter(|key| !lives(key)).and_then(node_of);
        if let Some(node) = revoked_key.filter(|_| !anew) {
            return Err(CaError::RevokedKey { path: issued.key.clone(), node });
        }
        let key = match there.filter(lives) {
            Some(key) => key,
            // One that lies here already is the name's, wherever it goes now.
            None => match read_key(&place.join("key.pem"))?.filter(lives) {
                Some(key) => key,
                None => pkcs8::generate()?,
            },
        };
        Ok((pkcs8::as_version_1(&key)?, revoked_key))
    }

    /// A certificate of the CA for a name and its key, in PEM.
    fn signed(&self, name: &str, key: &KeyPair, valid: Validity) -> Result<String, CaError> {
        let mut params = CertificateParams::new([format!("{name}{NAME_SUFFIX}")])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.custom_extensions = vec![network_extension(&self.network())];
        (params.not_before, params.not_after) = (valid.from, valid.until);
        let issuer = Issuer::new(ca_params(&self.network()), self.key()?);
        Ok(params.signed_by(key, &issuer)?.pem())
    }

    /// Writes what was issued: to the place of the name, or to a directory of the owner's with the CA's certificate.
    fn write(&self, place: &Path, out: Option<&Path>, key: &str, pem: &str) -> Result<(), CaError> {
        let key = (Path::new("key.pem"), key.as_bytes());
        let certificate = (Path::new("cert.pem"), pem.as_bytes());
        let Some(dir) = out else {
            // The key first: a crash in between leaves one that is used the next time.
            return Ok(files::write_private_all(place, &[key, certificate])?);
        };
        let ca = files::read(&self.certificate_path())?;
        files::write_private_all(dir, &[key, certificate, (Path::new("ca.pem"), &ca)])?;
        // What was issued stays known here by its certificate, so that a name can be revoked and is given once.
        Ok(files::write_private(&place.join("cert.pem"), pem.as_bytes())?)
    }

    /// A directory that somebody names may hold other certificates, of a web server or another network: they are not replaced.
    fn check_own(&self, path: &Path, ca: bool) -> Result<(), CaError> {
        let ours = |pem: &[u8]| {
            let info = CertificateDer::from_pem_slice(pem).ok().and_then(|der| CertificateInfo::read(&der).ok());
            info.is_some_and(|info| info.network == Some(self.network()) && info.is_ca == ca)
        };
        Ok(files::check_own(path, ours)?)
    }

    /// Names are unique by issue: one that was given to another key is free again only when that node is revoked.
    fn check_free(&self, name: &str, key: &[u8]) -> Result<(), CaError> {
        let before = self.issued_to(name)?;
        let (revoked, retired) = (self.revocations()?, self.retired()?);
        let has_it = |node: &NodeId| !revoked.revokes(node) && !retired.contains(node);
        if before.iter().any(|node| node.as_bytes() == key) {
            return Ok(());
        }
        match before.into_iter().find(has_it) {
            Some(node) => Err(CaError::Taken { name: name.to_owned(), node }),
            None => Ok(()),
        }
    }

    /// The key of this name, or where its certificate cannot be read, all keys that it has had.
    fn issued_to(&self, name: &str) -> Result<Vec<NodeId>, CaError> {
        match self.issued(name) {
            Ok(info) => Ok(vec![info.node]),
            Err(CaError::Unknown(_)) => Ok(Vec::new()),
            Err(CaError::Content { path, what, .. }) => match ends(&path.with_file_name("until")) {
                known if known.is_empty() => Err(CaError::Content { path, what, way: way_out::NOBODYS }),
                known => Ok(known.into_keys().collect()),
            },
            Err(other) => Err(other),
        }
    }

    /// A key has one name: readers go by the certificate that they know.
    fn check_unnamed(&self, name: &str, key: &[u8], path: &Path) -> Result<(), CaError> {
        let entries = std::fs::read_dir(self.home().join("nodes")).into_iter().flatten().flatten();
        for other in entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|other| other != name) {
            let theirs = self.issued_to(&other).unwrap_or_default();
            if let Some(node) = theirs.into_iter().find(|node| node.as_bytes() == key) {
                return Err(CaError::Named { path: path.to_owned(), node, other });
            }
        }
        Ok(())
    }

    /// The identity of this name, issued if it is not there yet.
    ///
    /// # Errors
    /// As [`LocalCa::issue`]; or what is there does not load.
    pub fn open_or_issue(&self, name: &str) -> Result<Identity, CaError> {
        let dir = self.home().join("nodes").join(name);
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        if !(certificate.exists() && key.exists()) {
            if !is_name(name) {
                return Err(CaError::Name(name.to_owned()));
            }
            let valid = self.clock.validity(NODE_VALIDITY)?;
            let _lock = self.lock_name(name)?;
            if !(certificate.exists() && key.exists()) {
                self.issue_locked(name, valid, None, false)?;
            }
        }
        let load = || match Identity::load(&certificate, &key) {
            Err(IdentityError::Content { path, .. }) if self.is_automatic() && path == certificate => Ok(None),
            loaded => loaded.map(Some),
        };
        if let Some(identity) = load()?
            && (!self.is_automatic()
                || holds(&identity, self.clock.now())
                || self.revocations()?.revokes(&identity.node()))
        {
            return Ok(identity);
        }
        // Nobody asked for this one, so nobody renews it: it was made under another clock, has run out, or was damaged.
        let valid = self.clock.validity(NODE_VALIDITY)?;
        let _lock = self.lock_name(name)?;
        if let Some(identity) = load()?
            && holds(&identity, self.clock.now())
        {
            return Ok(identity);
        }
        self.issue_locked(name, valid, None, false)?;
        Ok(Identity::load(&certificate, &key)?)
    }

    /// The certificate that was issued here for this name.
    ///
    /// # Errors
    /// [`CaError::Unknown`] if there is none.
    pub fn issued(&self, name: &str) -> Result<CertificateInfo, CaError> {
        if !is_name(name) {
            return Err(CaError::Unknown(name.to_owned()));
        }
        let path = self.home().join("nodes").join(name).join("cert.pem");
        let pem = files::read(&path).map_err(|_| CaError::Unknown(name.to_owned()))?;
        CertificateDer::from_pem_slice(&pem)
            .ok()
            .and_then(|der| CertificateInfo::read(&der).ok())
            .ok_or(CaError::Content { path, what: "a node certificate", way: way_out::CERTIFICATE })
    }
}
