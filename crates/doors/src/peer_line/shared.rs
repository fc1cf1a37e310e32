//! What all connections share: the table, the counters, and where it goes what they say.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use rumormill_wire::peer_line::Online;

use super::session::{InboundSession, ReceivedMessage};
use super::table::{Named, PeerTable};
use crate::counters::Counters;
use crate::lock::lock;

/// Where what was heard goes.
pub(super) trait Sink: Clone + Send + Sync + 'static {
    /// Takes a message from an address, waiting for a place; false if nobody listens any more. `left`: its sender was in
    /// the table and no longer is.
    fn take(&self, heard: ReceivedMessage, left: bool, from: IpAddr) -> impl Future<Output = bool> + Send;

    /// A datagram with addresses came.
    fn answer(&self, _from: SocketAddr, _online: Online<'_>) {}
}

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared<S> {
    table: Arc<Mutex<PeerTable>>,
    /// What every connection counts, together.
    pub counters: Arc<Counters>,
    /// Where what was heard goes.
    pub sink: S,
}

impl<S: Sink> Shared<S> {
    /// For a table, counters and a sink.
    pub(super) fn new(table: Arc<Mutex<PeerTable>>, counters: Arc<Counters>, sink: S) -> Self {
        Self { table, counters, sink }
    }

    /// The table, locked. Not to be held while something is waited for.
    pub(super) fn table(&self) -> MutexGuard<'_, PeerTable> {
        lock(&self.table)
    }

    /// Brings what was heard into the table, and hands it over; false if nobody listens any more.
    pub(super) async fn hear(&self, session: &mut InboundSession, heard: ReceivedMessage, at: IpAddr) -> bool {
        let left = self.note(session, &heard, at);
        self.sink.take(heard, left, session.from()).await
    }

    fn note(&self, session: &mut InboundSession, heard: &ReceivedMessage, at: IpAddr) -> bool {
        let Some(who) = &heard.who else { return false };
        if heard.exit {
            return self.table().exit(who.addr, session.from());
        }
        let named = self.table().name(who.addr, who.form, session.from(), at, session.may_name());
        match named {
            Named::Added => session.named(),
            Named::Full => Counters::one(&self.counters.refused_full),
            Named::Own | Named::Known => {}
        }
        false
    }
}
