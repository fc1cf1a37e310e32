//! The length-prefixed protobuf peer: `protobuf-peer,listen=127.0.0.1:5000,id=10[,join=127.0.0.1:5001][,retry=10s]`.
//!
//! We are host to whoever dials in, and joiner of one host if we are told to. A message of the room goes to every id that is
//! known, from ours; a message to our id goes into the room under the decimal number of its sender. Messages between others
//! are passed on by a table, or stored until their receiver is there.
//!
//! A host of the legacy kind takes ten connections in its whole life, so a joiner dials once, and again only after `retry` if
//! that was given. Nothing says goodbye here but the end of the connection.

mod config;
pub mod console;
mod framed;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(test)]
mod generate;
#[rustfmt::skip]
#[allow(clippy::all, missing_docs, unused_qualifications, unreachable_pub, unnameable_types, reason = "made by prost-build")]
mod generated;
mod link;
pub mod message;
mod net;
mod places;
mod router;
mod store_and_forward;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use self::net::{Calling, FLUSH, Net};
use crate::door::{About, Door, Files};
use crate::error::DoorError;
use crate::listen::{Listening, PortSharing};
use crate::port::Port;
use crate::services::Services;
use crate::spec::{Spec, SpecError};
use crate::take::Taker;

pub use config::{Config, KIND, MAX_ID, random_id};
pub use router::{MAX_NEW, MAX_PEERS};

/// A host answers our call within this time.
const DIAL: Duration = Duration::from_secs(5);
/// Connections, those that are just being closed among them.
const MAX_TASKS: usize = MAX_NEW + MAX_PEERS + 64;

/// A peer of the length-prefixed protobuf network, bound; nobody is served before [`ProtobufPeer::serve`].
#[derive(Debug)]
pub struct ProtobufPeer(Listening<Config>);

impl ProtobufPeer {
    /// Takes the port. Nothing is served yet.
    ///
    /// # Errors
    /// The address is taken, or not ours to take.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        Ok(Self(Listening::bind(KIND, config.listen, PortSharing::Exclusive, config)?))
    }

    /// Where it listens, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.0.local_addr
    }

    /// The id by which others know us, 1 to [`MAX_ID`].
    #[must_use]
    pub fn id(&self) -> i64 {
        self.0.config.id
    }

    /// Serves until it is told to stop or the node drops its end.
    pub async fn serve(self, port: Port) {
        let net = Arc::new(Net::new(self.0.config.id, Arc::clone(&port.counters), port.into_room.clone()));
        self.serve_by(port, net).await;
    }

    async fn serve_by(self, mut port: Port, net: Arc<Net>) {
        let mut tasks = JoinSet::new();
        if let Some(host) = self.0.config.join {
            tasks.spawn(call(Arc::clone(&net), host, self.0.config.retry));
        }
        let mut due = net.due.subscribe();
        let taker = Taker::new(&self.0.listener, "protobuf-peer", &port.counters);
        loop {
            let at = *due.borrow_and_update();
            tokio::select! {
                (stream, _) = taker.take(), if tasks.len() < MAX_TASKS => drop(tasks.spawn(taken(Arc::clone(&net), stream))),
                outgoing = port.from_room.recv() => match outgoing {
                    Some(outgoing) => net.give(outgoing),
                    None => break,
                },
                () = async { drop(port.stop.wait_for(|stop| *stop).await) } => break,
                () = sleep_until(at.unwrap_or_else(std::time::Instant::now).into()), if at.is_some() => net.timeout(),
                Ok(()) = due.changed() => {}
                Some(_) = tasks.join_next() => {}
            }
        }
        net.finish();
        let _ = timeout(FLUSH, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

impl Door for ProtobufPeer {
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

async fn taken(net: Arc<Net>, stream: TcpStream) {
    if let Err(why) = net.link(stream, false).await {
        debug!("protobuf-peer: {why}");
    }
}

/// Dials the host once, or again and again if a time is given.
async fn call(net: Arc<Net>, host: SocketAddr, retry: Option<Duration>) {
    loop {
        net.calling.send_replace(Calling::Now);
        let end = match timeout(DIAL, TcpStream::connect(host)).await {
            Ok(Ok(stream)) => match Arc::clone(&net).link(stream, true).await {
                Ok(()) => "it gave no answer that can be used".to_owned(),
                Err(why) => why.to_string(),
            },
            Ok(Err(why)) => why.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        net.calling.send_modify(|calling| {
            match calling {
                Calling::Joined(_) => *calling = Calling::Lost,
                Calling::Now => *calling = Calling::Failed(end),
                Calling::No | Calling::Failed(_) | Calling::Lost => {}
            }
            match calling {
                Calling::Failed(why) => warn!("protobuf-peer: cannot join {host}: {why}"),
                _ => info!("protobuf-peer: the host {host} has gone"),
            }
        });
        let Some(retry) = retry else { return };
        sleep(retry).await;
    }
}
