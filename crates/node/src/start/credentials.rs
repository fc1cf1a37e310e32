//! Who the node is: from the files named, or of the local CA.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rumormill_gossip::Signer;
use rumormill_transport::{Identity, LocalCa, Trust, TrustError, default_home};
use rumormill_wire::{NodeId, Signature};

use crate::config::{IdentitySource, NodeConfig};
use crate::start_error::StartError;

/// Who a node is and whom it trusts.
#[derive(Debug)]
pub struct Credentials {
    /// Certificate and key that the node shows and signs with.
    pub identity: Identity,
    /// Whose certificates are taken, and in which network.
    pub trust: Trust,
    /// The CA was made without being asked for: loopback only.
    pub loopback_only: bool,
    /// The CA's home, where the revocation list lies.
    pub home: Option<PathBuf>,
    /// Certificate and key files, watched for renewal.
    pub files: Option<(PathBuf, PathBuf)>,
}

impl Credentials {
    /// Loads, or with the local CA makes, what the configuration names. Blocks for some milliseconds.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(config: &NodeConfig) -> Result<Self, StartError> {
        let credentials = match &config.identity {
            IdentitySource::LocalCa { home } => Self::local(home.as_deref(), &config.name)?,
            IdentitySource::Files { cert, key, ca } => Self {
                identity: Identity::load(cert, key)?,
                trust: Trust::network_ca(ca)?,
                loopback_only: false,
                home: ca.parent().map(Path::to_owned),
                files: Some((cert.clone(), key.clone())),
            },
            IdentitySource::Pinned { pins, cert, key } => Self {
                identity: Identity::load(cert, key)?,
                trust: Trust::pinned(pins)?,
                loopback_only: false,
                home: None,
                files: Some((cert.clone(), key.clone())),
            },
        };
        let pinned = matches!(credentials.trust, Trust::Pinned(_));
        if !pinned && credentials.identity.name() != config.name {
            let found = credentials.identity.name().to_owned();
            return Err(StartError::Name { found, wanted: config.name.clone() });
        }
        Ok(credentials)
    }

    fn local(home: Option<&Path>, name: &str) -> Result<Self, StartError> {
        let home = home.map_or_else(default_home, |home| Ok(home.to_owned()))?;
        let ca = LocalCa::open_or_create(&home)?;
        let identity = ca.open_or_issue(name)?;
        let bad = || TrustError::NoCa(ca.certificate_path());
        let trust = Trust::from_ca(ca.certificate()).ok_or_else(bad)?;
        let dir = home.join("nodes").join(name);
        let files = Some((dir.join("cert.pem"), dir.join("key.pem")));
        Ok(Self { identity, trust, loopback_only: ca.is_automatic(), home: Some(home), files })
    }
}

pub(super) struct IdentitySigner(pub(super) Arc<Identity>);

impl Signer for IdentitySigner {
    fn node(&self) -> NodeId {
        self.0.node()
    }
    fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message)
    }
}
