//! The plain frames between legacy nodes on TCP port 43110 ([`rumormill_wire::push_pull::relay`]).
//!
//! Peers are told apart by their address, so what this door dials it dials from the address it listens on. The legacy
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

use crate::door::{About, Door, Files, LetterUse};
use crate::error::DoorError;
use crate::listen::{Listening, PortSharing};
use crate::port::Port;
use crate::services::Services;
use crate::spec::{Spec, SpecError};

pub use config::{Config, DEFAULT_PORT};
pub use links::{MAX_ACCEPTED, MAX_BY_ADDRESS};

/// How the door is named in settings, and in the log.
pub const KIND: &str = "relay-43110";

/// A peer of the legacy nodes on port 43110, bound; nobody is served before [`Relay::serve`].
#[derive(Debug)]
pub struct Relay(Listening<Config>);

impl Relay {
    /// Listens. The legacy program listens on all addresses of a machine with `SO_REUSEPORT`; beside it, so must this.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        Ok(Self(Listening::bind(KIND, config.listen, PortSharing::ReusePort, config)?))
    }

    /// Where it listens, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.0.local_addr
    }

    /// Serves until the node stops. The protocol has no goodbye: its links are closed.
    pub async fn serve(self, port: Port) {
        shell::run(self.0.listener, &self.0.config, port).await;
    }
}

impl Door for Relay {
    const ABOUT: About = About { letters: LetterUse::Carried, ..About::bridge(KIND) };
    type Config = Config;

    fn configure(spec: &Spec, _: &Files) -> Result<Config, SpecError> {
        Config::from_spec(spec)
    }

    async fn bind(config: Config) -> Result<Self, DoorError> {
        Self::bind(config).await
    }

    fn local_addr(&self) -> SocketAddr {
        self.local_addr()
    }

    async fn run<S: Services>(self, port: Port, _: S) {
        self.serve(port).await;
    }
}
