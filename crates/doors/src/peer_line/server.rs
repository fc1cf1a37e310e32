//! Takes connections and hands over what they say.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Rate;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::timeout;
use tracing::debug;

use super::shared::{Shared, Sink};
use super::talk::Talk;
use super::turn::Turns;
use super::useful::Useful;
use crate::counters::Counters;
use crate::limits::ByAddress;
use crate::take::Taker;

/// Connections at once: eight addresses with all that each may have, loopback aside.
pub(super) const MAX_CONNECTIONS: usize = 256;
/// Connections at once from one address, loopback aside.
pub(super) const MAX_BY_ADDRESS: usize = 32;
/// So long a new connection has its place for sure. With all places taken by such, the next one waits unaccepted.
const GRACE: Duration = Duration::from_millis(200);
/// New connections of one address, loopback aside: 200 at once and 50 a second.
const NEW: Rate = Rate::new(200, 50);

/// One of them.
struct OpenConnection {
    ip: IpAddr,
    useful: Arc<Useful>,
    task: AbortHandle,
}

/// The connections that are open, and whose turn it is to make room.
struct OpenConnections<S> {
    shared: Shared<S>,
    tasks: JoinSet<()>,
    places: HashMap<Id, OpenConnection>,
    turns: Turns,
    by_address: ByAddress,
}

/// Takes connections until the task is dropped.
pub(super) async fn serve<S: Sink>(listener: TcpListener, shared: Shared<S>) {
    let by_address = ByAddress::new(NEW);
    let counters = Arc::clone(&shared.counters);
    let taker = Taker::new(&listener, "peer-line", &counters);
    let (tasks, turns) = (JoinSet::new(), Turns::default());
    let mut places = OpenConnections { shared, tasks, places: HashMap::new(), turns, by_address };
    loop {
        tokio::select! {
            Some(ended) = places.tasks.join_next_with_id() => places.ended(ended),
            (stream, from) = taker.take() => places.admit(stream, from.ip().to_canonical()).await,
        }
    }
}

impl<S: Sink> OpenConnections<S> {
    async fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        let counters = Arc::clone(&self.shared.counters);
        if !ip.is_loopback() {
            let here = self.places.values().filter(|place| place.ip == ip).count();
            if here >= MAX_BY_ADDRESS || !self.by_address.allows(ip) {
                return Counters::one(&counters.refused_rate);
            }
        }
        while self.places.len() >= MAX_CONNECTIONS {
            self.make_place().await;
        }
        let useful = Arc::new(Useful::new());
        let talk = Talk::new(stream, ip, self.shared.clone(), Arc::clone(&useful), self.turns.next());
        let task = self.tasks.spawn(async move {
            if let Err(why) = talk.run().await {
                debug!(%ip, %why, "peer-line: a connection ended");
            }
        });
        self.places.insert(task.id(), OpenConnection { ip, useful, task });
        Counters::one(&counters.opened);
        Counters::set(&counters.open, self.places.len());
        // Whoever was taken speaks, however many more there are.
        tokio::task::yield_now().await;
    }

    /// Closes the connection that has said nothing useful for longest, unless it is too new for that: then waits.
    async fn make_place(&mut self) {
        let least = self.places.iter().min_by_key(|(_, place)| place.useful.rank()).map(|(id, place)| (*id, place));
        let Some((id, place)) = least else { return };
        let age = place.useful.rank().1.elapsed();
        if age >= GRACE {
            place.task.abort();
            self.places.remove(&id);
            Counters::one(&self.shared.counters.refused_full);
        } else if let Ok(Some(ended)) = timeout(GRACE.saturating_sub(age), self.tasks.join_next_with_id()).await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|why| why.id(), |(id, ())| id);
        self.places.remove(&id);
        Counters::set(&self.shared.counters.open, self.places.len());
    }
}
