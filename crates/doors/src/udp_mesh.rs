//! The single-character UDP mesh: a directory server, or a peer of somebody else's directory.
//!
//! The rules stand in machines that know neither sockets nor clocks: `directory`, `peer`, `pacer`. Around them is one task
//! that owns the sockets. No thread and no task is started for a member, a datagram or a message.
//!
//! What legacy programs do not survive is not sent to them: empty datagrams, directories with one name twice, more than eighty
//! datagrams a second. They send BIRTH once only, so a directory remembers its members in a file; a peer of ours that is in no
//! directory within two seconds says so and asks again. A legacy peer never asks twice: who does is one of ours and is told why
//! it is not taken. Everything else between our own is the extended form (docs/protocol.md, U).

mod chatter;
mod config;
pub mod console;
mod directory;
mod guest;
mod holder;
mod host;
mod keys;
mod paced;
mod pacer;
mod peer;
mod saver;
mod socket;
mod state;
mod station;
mod texts;
mod verifier;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use config::{Config, KIND, Role};

use crate::door::{About, Door, Files};
use crate::error::DoorError;
use crate::port::Port;
use crate::services::Services;
use crate::spec::{Spec, SpecError};

/// A directory of the UDP mesh, or a peer in one, bound; nobody is served before [`UdpMesh::serve`].
#[derive(Debug)]
pub struct UdpMesh(Part);

/// Which of the two it is.
#[derive(Debug)]
enum Part {
    Host(Box<host::Host>),
    Guest(Box<station::Station>),
}

impl UdpMesh {
    /// Binds the sockets, and reads the members of the last run.
    ///
    /// # Errors
    /// A socket cannot be bound.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        Ok(Self(match config.role {
            Role::Directory { .. } => Part::Host(Box::new(host::Host::bind(config).await?)),
            Role::Peer { .. } => Part::Guest(Box::new(station::Station::bind(&config).await?)),
        }))
    }

    /// Where the directory listens, or the peer.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match &self.0 {
            Part::Host(host) => host.local_addr(),
            Part::Guest(station) => station.local_addr(),
        }
    }

    /// Where texts arrive: a port of its own for a directory, which takes part as a peer.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        match &self.0 {
            Part::Host(host) => host.peer_addr(),
            Part::Guest(station) => station.local_addr(),
        }
    }

    /// Serves until it is told to stop or the node drops its end.
    pub async fn serve(self, port: Port) {
        match self.0 {
            Part::Host(host) => host.run(port).await,
            Part::Guest(station) => guest::run(*station, port).await,
        }
    }
}

impl Door for UdpMesh {
    const ABOUT: About = About::bridge(KIND);
    type Config = Config;

    fn configure(spec: &Spec, files: &Files) -> Result<Config, SpecError> {
        let config = Config::from_spec(spec)?;
        Ok(Config { state: config.state.or_else(|| files.file("members")), ..config })
    }

    fn writes(config: &Config) -> Vec<PathBuf> {
        match config.role {
            Role::Directory { .. } => config.state.iter().cloned().collect(),
            Role::Peer { .. } => Vec::new(),
        }
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
