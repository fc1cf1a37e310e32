//! The menu chat: `IP:PORT team message`, one connection a message (`rumormill_wire::peer_line` has the lines).
//!
//! Everyone who writes to us is in the table ([`table`]) and gets what the room says, each over a connection of its own
//! ([`outbox`], [`dial`]). What comes in is cut into messages ([`server`], [`session`]) and goes into the room. A datagram
//! asks who is online. [`menu`] is the same chat for a person.

pub mod dial;
pub mod menu;
pub mod online;
pub mod outbox;
pub mod server;
pub mod session;
pub mod table;
mod talk;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumormill_wire::native::MAX_CLAIMED_LEN;
use rumormill_wire::peer_line::{CONNECT, EXIT};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::porch::IntoRoom;
use crate::{Counters, DoorError, Incoming, Outgoing, Porch, Spec, SpecError, cut};
use dial::Dialler;
use outbox::{After, Dial, Outbox, Settled};
use server::{Hall, Listener, Sink};
use session::{Heard, Who};
use table::{MAX_FAILURES, Table};

/// Contacts in the settings.
pub const MAX_CONTACTS: usize = 16;
/// A name, in bytes.
pub const MAX_TEAM_LEN: usize = 32;
/// Everybody is told within this time that we leave.
pub const GOODBYE: Duration = Duration::from_millis(900);
/// The pause after the first try to reach a contact; it doubles.
const RETRY: Duration = Duration::from_secs(1);

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What we are called; the name of the node if not given.
    pub team: Option<String>,
    /// The port that our connections come from.
    pub source_port: Option<u16>,
    /// Those who get a message at launch.
    pub contacts: Vec<SocketAddr>,
    /// The pause after the first try to reach a contact.
    pub retry: Duration,
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen", "name", "source-port"], &["contact"])?;
        let listen = spec.listen(None)?;
        let team = spec.text("name").map(ToOwned::to_owned);
        if team.as_ref().is_some_and(|team| team.is_empty() || team.len() > MAX_TEAM_LEN || one_word(team) != *team) {
            return Err(spec.error(format!("name: give one word of at most {MAX_TEAM_LEN} bytes")));
        }
        let source_port = match spec.number("source-port", 0, 1..=65_535)? {
            0 => None,
            port => u16::try_from(port).ok(),
        };
        let mut contacts = Vec::new();
        for contact in spec.addrs("contact")? {
            if contact.port() == 0 || contact.ip().is_unspecified() || contact == listen {
                return Err(spec.error(format!("contact: nobody can be reached at {contact}")));
            }
            if !contacts.contains(&contact) {
                contacts.push(contact);
            }
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(spec.error(format!("contact: at most {MAX_CONTACTS}")));
        }
        Ok(Self { listen, team, source_port, contacts, retry: RETRY })
    }
}

/// A name as one word without control characters: the programs of this chat split at spaces.
#[must_use]
pub fn one_word(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

/// Bound, not yet serving.
#[derive(Debug)]
pub struct Door {
    config: Config,
    listener: Listener,
}

impl Door {
    /// Takes the port, for connections and datagrams.
    ///
    /// # Errors
    /// It is taken, or not ours to take.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        let share = config.source_port == Some(config.listen.port());
        let listener = Listener::bind(config.listen, share, true).await?;
        Ok(Self { config, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local
    }

    /// Serves until it is told to stop, and then says goodbye.
    pub async fn run(self, porch: Porch) {
        let Listener { tcp, udp, local } = self.listener;
        let fallback = cut::cut(&one_word(&porch.name), MAX_TEAM_LEN).0.into_owned();
        let team = self.config.team.unwrap_or(fallback);
        let table = Arc::new(Mutex::new(Table::new(local)));
        let hall = Hall::new(table, Arc::clone(&porch.counters), Room(porch.into_room.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(tcp, hall.clone()));
        if let Some(udp) = udp {
            let hall = hall.clone();
            serving.spawn(async move { online::serve(&udp, hall).await });
        }
        let dialler = Arc::new(Dialler { own: local, team, source_port: self.config.source_port });
        let outbox = Outbox::new(&self.config.contacts, CONNECT, self.config.retry);
        let (dials, waiting) = (JoinSet::new(), BTreeMap::new());
        Sender { hall, dialler, outbox, dials, waiting, begun: Instant::now() }.run(porch).await;
        // The port is free again afterwards.
        serving.shutdown().await;
    }
}

/// The way into the room.
#[derive(Debug, Clone)]
struct Room(IntoRoom);

impl Sink for Room {
    async fn take(&self, heard: Heard, left: bool, from: IpAddr) -> bool {
        let claimed = heard.who.as_ref().map_or_else(|| from.to_string(), claimed);
        let text = if left { "has left".to_owned() } else { heard.text };
        self.0.send(Incoming { claimed, text, from: Some(from) }).await
    }
}

/// `team ip:port`, the team cut so that all of it fits.
fn claimed(who: &Who) -> String {
    let addr = who.addr.to_string();
    let (team, _) = cut::cut(&who.team, MAX_CLAIMED_LEN.saturating_sub(addr.len() + 1));
    if team.is_empty() { addr } else { format!("{team} {addr}") }
}

type Dialled = (SocketAddr, bool);

/// Everything that goes out.
struct Sender {
    hall: Hall<Room>,
    dialler: Arc<Dialler>,
    outbox: Outbox,
    dials: JoinSet<Dialled>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), String>>>,
    begun: Instant,
}

impl Sender {
    async fn run(mut self, mut porch: Porch) {
        loop {
            self.fill();
            let wake = self.outbox.wake().map(|at| self.begun + at);
            tokio::select! {
                changed = porch.stop.changed() => if changed.is_err() || *porch.stop.borrow() { break },
                outgoing = porch.from_room.recv() => match outgoing {
                    Some(outgoing) => self.post(outgoing),
                    None => break,
                },
                Some(done) = self.dials.join_next() => self.dialled(done.ok()),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        let _ = timeout(GOODBYE, self.goodbye()).await;
    }

    /// Tells everybody that we leave.
    async fn goodbye(&mut self) {
        self.outbox.clear();
        self.outbox.post(&self.hall.table(), None, EXIT);
        loop {
            self.fill();
            match self.dials.join_next().await {
                Some(done) => self.dialled(done.ok()),
                None => return,
            }
        }
    }

    fn post(&mut self, outgoing: Outgoing) {
        let text = if outgoing.to.is_some() { &outgoing.text } else { &outgoing.line };
        let id = self.outbox.post(&self.hall.table(), outgoing.to, text);
        if let Some(done) = outgoing.done {
            self.waiting.insert(id, done);
        }
    }

    /// Makes as many connections as may be made now.
    fn fill(&mut self) {
        loop {
            let dial = self.outbox.dial(&self.hall.table(), self.begun.elapsed());
            let Some(dial) = dial else { break };
            let (dialler, counters) = (Arc::clone(&self.dialler), Arc::clone(&self.hall.counters));
            self.dials.spawn(async move { (dial.addr, deliver(&dialler, &counters, &dial).await) });
        }
        for Settled { id, reached } in self.outbox.settled() {
            if let Some(done) = self.waiting.remove(&id) {
                let _ = done.send(if reached { Ok(()) } else { Err("no peer of the menu chat took it".to_owned()) });
            }
        }
        let counters = &self.hall.counters;
        Counters::add(&counters.dropped_out, self.outbox.dropped());
        Counters::set(&counters.waiting_out, self.outbox.waiting());
    }

    fn dialled(&mut self, done: Option<Dialled>) {
        let Some((addr, delivered)) = done else { return };
        let now = self.begun.elapsed();
        match self.outbox.dialled(&mut self.hall.table(), addr, delivered, now) {
            After::Nothing => {}
            After::TakenOut => info!(%addr, "peer-line: not reached {MAX_FAILURES} times in a row; it is taken out"),
            After::GaveUp => warn!(%addr, "peer-line: contact not reached; it is not tried again"),
        }
    }
}

/// One message on one connection; whether it was written.
async fn deliver(dialler: &Dialler, counters: &Counters, dial: &Dial) -> bool {
    match dialler.deliver(dial.addr, dial.form, &dial.text).await {
        Ok(delivered) => {
            Counters::one(&counters.messages_out);
            Counters::add(&counters.bytes_out, delivered.bytes);
            if delivered.cut {
                Counters::one(&counters.cut);
                info!(addr = %dial.addr, "peer-line: a message was cut to what the programs of this chat read");
            }
            delivered.closed(dial.contact).await;
            true
        }
        Err(why) => {
            debug!(addr = %dial.addr, %why, "peer-line: not reached");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let spec: Spec = text.parse().map_err(|why: SpecError| why.to_string())?;
        Config::from_spec(&spec).map_err(|why| why.to_string())
    }

    #[test]
    fn settings() {
        let at = "peer-line,listen=127.0.0.1:8080";
        let full = config(&format!("{at},name=team,source-port=9000,contact=10.0.0.1:1,contact=10.0.0.1:1")).unwrap();
        assert_eq!((full.source_port, full.contacts.len()), (Some(9_000), 1));
        assert_eq!(config(at).unwrap().team, None);
        for (more, words) in [
            ("name=two words", "name: give one word"),
            ("name=", "name: give one word"),
            ("source-port=0", "source-port: `0`"),
            ("source-port=70000", "source-port: `70000`"),
            ("contact=127.0.0.1:8080", "nobody can be reached at 127.0.0.1:8080"),
            ("contact=0.0.0.0:1", "nobody can be reached"),
            ("contact=x", "contact: `x`"),
            ("room=a", "unknown key `room`"),
        ] {
            let found = config(&format!("{at},{more}")).unwrap_err();
            assert!(found.contains(words), "{more}: {found}");
        }
        let many: String = (1..=17).map(|n| format!(",contact=10.0.0.1:{n}")).collect();
        assert!(config(&format!("{at}{many}")).unwrap_err().contains("at most 16"));
        assert!(config("peer-line,listen=0.0.0.0:1").unwrap_err().contains("--insecure-bind"));
    }

    #[test]
    fn a_claimed_name_keeps_its_address() {
        let who = |team: &str| Who {
            addr: "127.0.0.1:8080".parse().unwrap(),
            form: table::Form::Plain,
            team: team.to_owned(),
        };
        assert_eq!(claimed(&who("team")), "team 127.0.0.1:8080");
        assert_eq!(claimed(&who("")), "127.0.0.1:8080");
        let long = claimed(&who(&"x".repeat(100)));
        assert!(long.len() <= MAX_CLAIMED_LEN && long.ends_with("\u{2026} 127.0.0.1:8080"), "{long}");
        assert_eq!(one_word(" a b\t"), "a_b");
    }
}
