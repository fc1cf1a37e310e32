//! PUSH and PULL: the plain requests of legacy clients on this machine, one for each connection
//! ([`rumormill_wire::push_pull`]). What a PUSH leaves and a PULL takes are letters, which the node seals, carries and
//! keeps ([`Letters`]); the room's talk does not go this way.
//!
//! The clients take one read as the count or as one item, so each goes out in a write of its own, and [`Config::gap`]
//! after the one before. Their buffer has 2,048 bytes: a letter that is longer comes in several items, none of its
//! characters cut and nothing left out; an item of 2,045 bytes or more goes on in the next.
//!
//! What one client is being given is given to no other, and nobody waits for it: PULLs at the same time share what waits.
//!
//! Letters count as handed over, all together, once the last was written and the client has ended or asked for more. If it
//! dies before that, or with something unread, the next PULL gets all of them again: rather twice than never.

mod config;
mod doubts;
mod given;
mod hand;
mod items;
mod places;
mod pull;
mod request;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::door::{About, Door, Files, LetterUse};
use crate::error::DoorError;
use crate::listen::{Listening, PortSharing};
use crate::port::Port;
use crate::services::{Letters, Services};
use crate::spec::{Spec, SpecError};
use crate::take::Taker;
use crate::unsent::Unsent;
use places::ClientPlaces;
use session::Server;

pub use config::{Config, DEFAULT_LISTEN, KIND};
pub use items::MAX_ITEMS;
pub use places::{MAX_BY_ADDRESS, MAX_CLIENTS};

/// The port of PUSH and PULL, bound; nobody is served before [`PushPull::serve`].
#[derive(Debug)]
pub struct PushPull(Listening<Config>);

impl PushPull {
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

    /// Serves until the node stops. What was being handed over then, or is not known to be read, is shown again after the next
    /// start.
    pub async fn serve(self, mut port: Port, letters: impl Letters) {
        let server = Arc::new(Server::new(self.0.config, letters, Arc::clone(&port.counters)));
        let mut places = ClientPlaces::new(Arc::clone(&port.counters));
        let mut tasks = JoinSet::new();
        self.accept(&mut port, &server, &mut places, &mut tasks).await;
        server.close(async { tasks.shutdown().await }).await;
    }

    async fn accept<L: Letters>(
        &self,
        port: &mut Port,
        server: &Arc<Server<L>>,
        places: &mut ClientPlaces,
        tasks: &mut JoinSet<()>,
    ) {
        let counters = Arc::clone(&port.counters);
        let taker = Taker::new(&self.0.listener, "push-pull", &counters);
        loop {
            tokio::select! {
                () = async { drop(port.stop.wait_for(|stop| *stop).await) } => return,
                outgoing = port.from_room.recv() => match outgoing {
                    Some(outgoing) => drop(outgoing.done.map(|done| done.send(Err(Unsent::LettersOnly)))),
                    None => return,
                },
                Some(_) = tasks.join_next() => {
                    places.clear_ended();
                    // Whoever had to make room has left what it was given.
                    server.bring_back(server.given.without(|number| places.holds(number))).await;
                }
                () = places.changed(), if places.is_stuck() => {}
                (stream, from) = taker.take(), if !places.is_stuck() => {
                    admit(stream, from, places, tasks, server).await;
                }
            }
        }
    }
}

impl Door for PushPull {
    const ABOUT: About = About { hears_room: false, letters: LetterUse::Needed, ..About::bridge(KIND) };
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
        match services.letters() {
            Some(letters) => self.serve(port, letters).await,
            None => warn!("push-pull: the node keeps no letters; nothing is served"),
        }
    }
}

async fn admit<L: Letters>(
    stream: TcpStream,
    from: SocketAddr,
    places: &mut ClientPlaces,
    tasks: &mut JoinSet<()>,
    server: &Arc<Server<L>>,
) {
    let Some(place) = places.take(from.ip()) else { return };
    let server = Arc::clone(server);
    let (number, was_full) = (place.number, place.was_full);
    let handle = tasks.spawn(async move {
        if let Err(why) = server.serve(stream, &place).await {
            debug!(%why, "push-pull connection ended");
        }
    });
    places.seat(number, handle);
    if was_full {
        // A flood of connections must leave each the time to say something before the next ones push it out.
        sleep(Duration::from_millis(1)).await;
    }
}
