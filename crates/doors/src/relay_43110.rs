//! The plain frames between older nodes on TCP port 43110 ([`rumormill_wire::push_pull::relay`]).
//!
//! Peers are told apart by their address, so what this door dials it dials from the address it listens on. The older
//! program takes three connections in its whole life and burns a processor over each that was closed: a peer is dialled
//! once at the start, and again only if there is something to say and nothing to say it by; a link that is idle stays.
//! Its reader takes one read for one frame, so frames go out one by one with a pause between them.
//!
//! Who may be dialled, when, and what goes out by which link is decided without clocks and sockets in `machine`; a link's
//! task (`link`) reads and writes, and `shell` brings the two together.

mod config;
mod frames;
mod link;
mod links;
mod machine;
mod peer;
mod reader;
mod shell;

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::listen::{Share, listen};
use crate::{DoorError, DoorKind, Port};

pub use config::{Config, DEFAULT_PORT, Peer};
pub use links::{MAX_ACCEPTED, MAX_BY_ADDRESS};

/// A door that is bound and not yet served.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: Config,
}

impl Door {
    /// Listens. The older program listens on all addresses of a machine with `SO_REUSEPORT`; beside it, so must this.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        let failed = |why| DoorError::io(DoorKind::Relay43110, "listen on", config.listen)(why);
        let listener = listen(config.listen, Share::Port).map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr, config })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the node stops. The protocol has no goodbye: its links are closed.
    pub async fn run(self, port: Port) {
        shell::run(self.listener, &self.config, port).await;
    }
}
