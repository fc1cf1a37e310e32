//! Why a node does not start.

use rumormill_doors::DoorError;
use rumormill_store::StoreError;
use rumormill_transport::{CaError, IdentityError, TrustError};

use crate::config::ConfigError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The local CA.
    #[error("{0}")]
    Ca(#[from] CaError),
    /// The identity's files.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The CA certificate or the pin file.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// The certificate is another's.
    #[error("name: the certificate is for `{found}`, not `{wanted}`")]
    Name {
        /// In the certificate.
        found: String,
        /// In the configuration.
        wanted: String,
    },
    /// rustls does not take the credentials.
    #[error("cannot use this certificate and key: {0}")]
    Tls(String),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The local socket.
    #[error("{0}")]
    Socket(#[from] crate::socket::SocketError),
    /// A door.
    #[error("{0}")]
    Door(#[from] DoorError),
    /// A file or a socket.
    #[error("cannot {action} {what}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
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
