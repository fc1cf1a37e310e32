//! The control port: the classroom proxy interface as a process answers it (`rumormill_wire::classroom`).
//!
//! Messages are taken in the order in which they come, without waiting for the disk; a `get chatLog` waits for those before
//! it on its connection, so it shows them. There is one reply to each `get`, and none to anything else.
//!
//! A proxy may die without its `stopall`. Whoever comes next in the same directory must find empty logs, so a process whose
//! starter ends while a client is connected is [`deserted`](Chat::deserted).

mod seats;
mod session;
mod starter;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::getppid;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::counters::Counters;
use crate::door::{About, Door, Files, LetterUse};
use crate::error::DoorError;
use crate::listen::{Listening, PortSharing};
use crate::port::Port;
use crate::services::{Chat, Services};
use crate::spec::{Spec, SpecError};
use crate::take::Taker;
use seats::Seats;
use session::ControlSession;
use starter::has_gone;

pub use seats::MAX_CLIENTS;

/// How the door is named in settings, and in the log.
pub const KIND: &str = "classroom";
/// A client that takes no byte of a reply for so long is dropped.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(30);
/// With all places taken, a client that for so long gave no whole command and took no whole part of a reply makes room for a
/// newcomer.
pub const IDLE: Duration = Duration::from_secs(60);

/// What may be given as the address of such a port.
pub const HERE_ONLY: &str = "an address of this machine, 127.0.0.0/8 or ::1, whatever else is said: who reaches this port speaks as the node itself";

/// Checked settings, whichever way the port is asked for: no other address than one of this machine is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    listen: SocketAddr,
}

impl Config {
    /// A port at an address of this machine; `None` for any other ([`HERE_ONLY`]). Leave to listen beyond loopback is for
    /// doors whose clients are strangers in the room, and changes nothing here.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Option<Self> {
        listen.ip().to_canonical().is_loopback().then_some(Self { listen })
    }

    /// Where clients connect: a loopback address.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Checks what was asked for: `classroom,listen=127.0.0.1:10000`.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen"], &[])?;
        let listen = spec.needed("listen")?;
        Self::at(listen).ok_or_else(|| spec.bad("listen", &listen.to_string(), HERE_ONLY))
    }
}

/// The control port of a classroom process, bound; nobody is served before [`Classroom::serve`].
#[derive(Debug)]
pub struct Classroom(Listening<Config>);

impl Classroom {
    /// Takes the port. Nothing is served yet.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        Ok(Self(Listening::bind(KIND, config.listen, PortSharing::Exclusive, config)?))
    }

    /// Where it listens, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.0.local_addr
    }

    /// Serves until the node stops. The room's messages are asked for, never pushed, so those of the port go nowhere.
    pub async fn serve<C: Chat>(self, mut port: Port, chat: C) {
        let counters = Arc::clone(&port.counters);
        tokio::select! {
            () = serve(self.0.listener, chat, counters) => {}
            _ = port.stop.wait_for(|stop| *stop) => {}
            () = async { while port.from_room.recv().await.is_some() {} } => {}
        }
    }
}

impl Door for Classroom {
    const ABOUT: About = About { hears_room: false, letters: LetterUse::None, speaks_as_node: true, kind: KIND };
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

    async fn run<S: Services>(self, port: Port, services: S) {
        let chat = services.chat(&port.counters);
        self.serve(port, chat).await;
    }
}

/// Serves until the task is dropped.
pub async fn serve<C: Chat>(listener: TcpListener, chat: C, counters: Arc<Counters>) {
    serve_within(listener, chat, counters, Patience { reply: REPLY_DEADLINE, idle: IDLE }).await;
}

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    reply: Duration,
    idle: Duration,
}

async fn serve_within<C: Chat>(listener: TcpListener, chat: C, counters: Arc<Counters>, patience: Patience) {
    let seats = Seats::new(patience.idle, Arc::clone(&counters));
    let taker = Taker::new(&listener, "control port", &counters);
    loop {
        let (stream, _) = taker.take().await;
        let Some(seat) = seats.take() else {
            warn!(
                "control port: {MAX_CLIENTS} clients already, each with a command within {IDLE:?}; one more is turned away"
            );
            continue;
        };
        let (chat, counters) = (chat.clone(), Arc::clone(&counters));
        let starter = getppid();
        tokio::spawn(async move {
            let session = ControlSession::new(stream, seat, chat.clone(), counters, patience.reply);
            if let Err(why) = session.run().await {
                debug!(%why, "control connection ended");
            }
            if has_gone(starter).await {
                chat.deserted();
            }
        });
    }
}

#[cfg(test)]
mod tests;
