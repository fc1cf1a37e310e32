//! Why a node does not start.

mod blame;

use std::path::PathBuf;

use rumormill_doors::DoorError;
use rumormill_store::StoreError;
use rumormill_transport::{CaError, IdentityError, TrustError};

use rumormill_wire::{Foreign, NetworkId};

use crate::config::ConfigError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is not allowed.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The system gives too few descriptors.
    #[error(
        "the limit of descriptors is {limit}, and this node needs {least}, with room for one link and one question"
    )]
    Descriptors {
        /// How many the system gives.
        limit: u64,
        /// What it has to be.
        least: u64,
    },
    /// The local CA cannot be made or read.
    #[error("{0}")]
    Ca(#[from] CaError),
    /// The certificate or key cannot be read, or not used together.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The CA certificate or the pin file cannot be read.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// The certificate is for another name than the configured one.
    #[error("name: the certificate is for `{}`, not `{wanted}`", Foreign::new(found))]
    Name {
        /// The name that the certificate has.
        found: String,
        /// The name that the configuration wants.
        wanted: String,
    },
    /// rustls does not take the credentials.
    #[error("cannot use this certificate and key: {0}")]
    Tls(String),
    /// The store cannot be opened or read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The store is of another network.
    #[error(
        "{} belongs to network {found}, and the CA or pin file given is of network {ours}; give the one that this store was \
         made under, or name another directory with --state",
        store.display()
    )]
    OtherNetwork {
        /// The file of the store.
        store: PathBuf,
        /// The network whose bundles are in it.
        found: NetworkId,
        /// The one that the node is given.
        ours: NetworkId,
    },
    /// The store does not say its network, and what is in it is of another one.
    #[error(
        "{} does not say its network, and what is in it was not signed in network {ours}; give the CA that this store was \
         made under, or name another directory with --state",
        store.display()
    )]
    UnknownNetwork {
        /// The file of the store.
        store: PathBuf,
        /// The network that the node is given.
        ours: NetworkId,
    },
    /// The store's file is not there, and the mark beside it says that it was.
    #[error(
        "{} is gone, and the mark beside it says that there was one; put it back, or start once with --restored to begin \
         with an empty one under a new incarnation",
        .0.display()
    )]
    StoreGone(PathBuf),
    /// Another store is there than the one that the mark beside it names.
    #[error(
        "{} is not the store that the mark beside it names; put that back, or start once with --restored to go on with \
         this one under a new incarnation",
        .0.display()
    )]
    StoreReplaced(PathBuf),
    /// The local socket cannot be had.
    #[error("{0}")]
    Socket(#[from] crate::socket_error::SocketError),
    /// A door was asked for wrongly, or its address cannot be had.
    #[error("{0}")]
    Door(#[from] DoorError),
    /// A file or a socket.
    #[error("cannot {action} {what}: {source}")]
    Io {
        /// What could not be done, as a verb: it stands behind "cannot".
        action: &'static str,
        /// The file or address that it could not be done with.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StartError {
    pub(crate) fn io(action: &'static str, what: impl ToString) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { action, what, source }
    }
}
