//! The menu chat: `IP:PORT team message`, one connection a message (`rumormill_wire::peer_line` has the lines).
//!
//! Everyone who writes to us is in the table ([`table`]) and gets what the room says, each over a connection of its own
//! (`outbox`, `dial`). What comes in is cut into messages (`server`, `session`) and goes into the room. A datagram
//! asks who is online. [`menu`] is the same chat for a person.

mod answers;
mod config;
mod dial;
mod listener;
pub mod menu;
mod online;
mod outbox;
mod outgoing;
mod server;
mod session;
mod shared;
pub mod table;
mod talk;
mod turn;
mod twin;
mod useful;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rumormill_wire::native::MAX_CLAIMED_LEN;
use rumormill_wire::peer_line::CONNECT;
use tokio::task::JoinSet;

use crate::cut;
use crate::door::{About, Door, Files};
use crate::error::DoorError;
use crate::port::IntoRoom;
use crate::port::{Incoming, Port};
use crate::services::Services;
use crate::spec::{Spec, SpecError};
pub use config::{Config, KIND, MAX_CONTACTS, MAX_TEAM_LEN, one_word};
use dial::Dialler;
use listener::Listener;
use outbox::Outbox;
use outgoing::OutboxDriver;
use session::{ReceivedMessage, Who};
use shared::{Shared, Sink};
use table::{AddressForm, PeerTable};

/// A program of the menu chat, bound; nobody is served before [`PeerLine::serve`].
#[derive(Debug)]
pub struct PeerLine {
    config: Config,
    listener: Listener,
}

impl PeerLine {
    /// Takes the port, for connections and datagrams.
    ///
    /// # Errors
    /// It is taken, or not ours to take.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        let share = config.source_port == Some(config.listen.port());
        let listener = Listener::bind(config.listen, share, true).await?;
        Ok(Self { config, listener })
    }

    /// Where it listens, for connections and datagrams alike.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local
    }

    /// Serves until it is told to stop, and then says goodbye.
    pub async fn serve(self, port: Port) {
        let Listener { tcp, udp, local } = self.listener;
        let fallback = cut::cut(&one_word(&port.name), MAX_TEAM_LEN).0.into_owned();
        let team = self.config.team.unwrap_or(fallback);
        let mut table = PeerTable::new(local);
        self.config.bracketed.iter().for_each(|addr| table.learn(*addr, AddressForm::Bracketed));
        let table = Arc::new(Mutex::new(table));
        let shared = Shared::new(table, Arc::clone(&port.counters), Room(port.into_room.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(tcp, shared.clone()));
        if let Some(udp) = udp {
            let shared = shared.clone();
            serving.spawn(async move { online::serve(&udp, shared).await });
        }
        let dialler = Arc::new(Dialler { own: local, team, source_port: self.config.source_port });
        let outbox = Outbox::new(&self.config.contacts, CONNECT, self.config.retry);
        OutboxDriver::new(shared, dialler, outbox).run(port).await;
        // The port is free again afterwards.
        serving.shutdown().await;
    }
}

impl Door for PeerLine {
    const ABOUT: About = About::bridge(KIND);
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

/// The way into the room.
#[derive(Debug, Clone)]
struct Room(IntoRoom);

impl Sink for Room {
    async fn take(&self, heard: ReceivedMessage, left: bool, from: IpAddr) -> bool {
        let claimed = heard.who.as_ref().map_or_else(|| from.to_string(), claimed);
        let text = if left { "has left".to_owned() } else { heard.text };
        self.0.send(Incoming { claimed, text, from: Some(from) }).await
    }
}

/// `team ip:port`, the team cut so that all of it fits.
fn claimed(who: &Who) -> String {
    let addr = who.addr.to_string();
    let (team, _) = cut::cut(&who.team, MAX_CLAIMED_LEN.saturating_sub(addr.len()).saturating_sub(1));
    if team.is_empty() { addr } else { format!("{team} {addr}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_keeps_its_address() {
        let who = |team: &str| Who {
            addr: "127.0.0.1:8080".parse().unwrap(),
            form: AddressForm::Plain,
            team: team.to_owned(),
        };
        assert_eq!(claimed(&who("team")), "team 127.0.0.1:8080");
        assert_eq!(claimed(&who("")), "127.0.0.1:8080");
        let long = claimed(&who(&"x".repeat(100)));
        assert!(long.len() <= MAX_CLAIMED_LEN && long.ends_with("\u{2026} 127.0.0.1:8080"), "{long}");
    }
}
