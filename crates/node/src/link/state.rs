//! One link as the node sees it: what waits to be written, what may still be read, who is there.
//!
//! Nothing here waits for the peer: the engine's side only puts into the outbox, whose size the engine's window bounds
//! (ARCHITECTURE.md, "The machine").

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use rumormill_gossip::config::LINK_WINDOW;
use rumormill_gossip::{LinkId, Timestamp};
use rumormill_machine::{Batch, Class, Scheduler, Taken};
use rumormill_transport::Arrivals;
use rumormill_wire::native::{Bye, ByeCode, Frame, rumor_prefix};
use tokio::sync::{Notify, watch};

use super::facts::Facts;
use crate::lock;

/// RUMOR bytes read from a link and not yet judged; above this its reader stops. Twice what a neighbour has on its way,
/// so an honest neighbour is stopped only while commits lag.
const MAX_UNJUDGED_BYTES: usize = 2 * LINK_WINDOW;

/// A link that is up, or was.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) facts: Facts,
    pub(crate) since: Timestamp,
    outbox: Mutex<Scheduler>,
    wake: Notify,
    unjudged: AtomicUsize,
    released: Notify,
    closed: watch::Sender<bool>,
    /// The peer sends nothing more.
    read_out: watch::Sender<bool>,
    /// To be ended by us without a farewell, once all is written.
    cut: AtomicBool,
    /// The peer ended it because it keeps another one with us: what it had not taken from this one by then, it did not take.
    replaced: AtomicBool,
    heard_at: AtomicU64,
    /// What arrives of frames that are not whole yet; set once it is read.
    arrivals: OnceLock<Arrivals>,
    /// The link policy waits for what is heard next.
    awaited: AtomicBool,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Link {
    pub(crate) fn new(id: LinkId, facts: Facts, now: Timestamp) -> Self {
        Self {
            id,
            facts,
            since: now,
            outbox: Mutex::default(),
            wake: Notify::new(),
            unjudged: AtomicUsize::new(0),
            released: Notify::new(),
            closed: watch::Sender::new(false),
            read_out: watch::Sender::new(false),
            cut: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
            heard_at: AtomicU64::new(now.0),
            arrivals: OnceLock::new(),
            awaited: AtomicBool::new(false),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    /// Puts a frame of the engine's into the outbox; its bytes are reported once they are written.
    pub(crate) fn send(&self, frame: Bytes) {
        self.put(|outbox| outbox.push(Class::Gossip, frame));
    }

    /// Puts a bundle into the outbox without copying it.
    pub(crate) fn send_bundle(&self, bundle: &Bytes, want_status: bool, answers_range: bool) {
        let Ok(prefix) = rumor_prefix(want_status, answers_range, bundle.len()) else { return };
        self.put(|outbox| outbox.push_bundle(prefix, bundle.clone()));
    }

    /// Puts a frame of the shell's own (PING, PONG) into the outbox; left out when too much waits.
    pub(crate) fn send_own(&self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        if frame.encode(&mut bytes).is_ok() {
            self.put(|outbox| outbox.push(Class::Link, bytes.into()));
        }
    }

    fn put(&self, into: impl FnOnce(&mut Scheduler) -> bool) {
        let first = {
            let mut outbox = lock(&self.outbox);
            let was_empty = outbox.is_empty();
            if !into(&mut outbox) {
                drop(outbox);
                self.close_now();
                return;
            }
            was_empty
        };
        if first {
            self.wake.notify_one();
        }
    }

    /// Says BYE after what waits, then closes. Says whether it was the first to do so.
    pub(crate) fn bye(&self, code: ByeCode, reason: &'static str) -> bool {
        self.bye_for(code, reason, 0)
    }

    /// The same with how long the peer need not come back.
    pub(crate) fn bye_for(&self, code: ByeCode, reason: &'static str, retry_after_s: u16) -> bool {
        let mut bytes = Vec::new();
        let _ = Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }).encode(&mut bytes);
        let first = lock(&self.outbox).close_with(bytes.into());
        self.wake.notify_one();
        self.released.notify_one();
        first
    }

    /// Whether nothing is put into it any more.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.outbox).is_closing()
    }

    /// Writes what waits and then closes our half, without a farewell. What the peer still sends is read until it closes.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Relaxed);
        lock(&self.outbox).close();
        self.wake.notify_one();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    pub(crate) fn set_replaced(&self) {
        self.replaced.store(true, Relaxed);
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Relaxed)
    }

    /// Closes without a word.
    pub(crate) fn close_now(&self) {
        self.closed.send_replace(true);
        self.released.notify_one();
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// All was read that the peer sent.
    pub(crate) fn set_read_out(&self) {
        self.read_out.send_replace(true);
    }

    /// Resolves once the peer sends nothing more, or the link is to be closed.
    pub(crate) async fn ends(&self) {
        let (mut closed, mut read_out) = (self.closed.subscribe(), self.read_out.subscribe());
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => {}
            _ = read_out.wait_for(|out| *out) => {}
        }
    }

    /// Resolves once the link is to be closed.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// What is to be written next; `None` once all is written and the link is to be closed.
    pub(crate) async fn next_batch(&self) -> Option<Batch> {
        loop {
            if self.is_closed() {
                return None;
            }
            match lock(&self.outbox).take() {
                Taken::Batch(batch) => return Some(batch),
                Taken::Done => return None,
                Taken::Empty => {}
            }
            self.wake.notified().await;
        }
    }

    /// A RUMOR of so many bytes goes to the engine.
    pub(crate) fn take_allowance(&self, bytes: usize) {
        self.unjudged.fetch_add(bytes, Relaxed);
    }

    /// The engine has judged so many bytes.
    pub(crate) fn release(&self, bytes: usize) {
        let before = self.unjudged.fetch_update(Relaxed, Relaxed, |old| Some(old.saturating_sub(bytes)));
        if before.is_ok_and(|before| before >= MAX_UNJUDGED_BYTES) {
            self.released.notify_one();
        }
    }

    /// Waits until more may be read.
    pub(crate) async fn allowance(&self) {
        // Who has said goodbye reads to the end, and judges nothing of it.
        while self.unjudged.load(Relaxed) >= MAX_UNJUDGED_BYTES && !self.is_closed() && !self.is_closing() {
            self.released.notified().await;
        }
    }

    /// Bytes put into the outbox since the link is up.
    pub(crate) fn put_in(&self) -> u64 {
        lock(&self.outbox).put_in()
    }

    /// Bytes written since the link is up.
    pub(crate) fn written(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes_out.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn hear(&self, now: Timestamp, bytes: usize) {
        self.heard_at.store(now.0, Relaxed);
        self.bytes_in.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
    }

    /// What is heard next is to be told.
    pub(crate) fn set_awaited(&self) {
        self.awaited.store(true, Relaxed);
    }

    /// Whether what was heard now is to be told.
    pub(crate) fn was_awaited(&self) -> bool {
        self.awaited.load(Relaxed) && self.awaited.swap(false, Relaxed)
    }

    /// Its bytes are read from now on.
    pub(crate) fn watch(&self, arrivals: Arrivals) {
        let _ = self.arrivals.set(arrivals);
    }

    /// When the peer gave its last sign of life: a frame, or a part of one.
    pub(crate) fn heard_at(&self, now: Timestamp) -> Timestamp {
        let frame = Timestamp(self.heard_at.load(Relaxed));
        let silent = self.arrivals.get().map(Arrivals::silent_for);
        silent.map_or(frame, |silent| frame.max(now.before(silent)))
    }
}

#[cfg(test)]
mod tests {
    use rumormill_peering::Direction;

    use super::super::facts::tests::facts;
    use super::*;

    #[tokio::test]
    async fn a_reader_stops_at_its_allowance_and_goes_on_when_judged() {
        let link = std::sync::Arc::new(Link::new(LinkId(1), facts(1, Direction::Inbound), Timestamp(0)));
        link.take_allowance(MAX_UNJUDGED_BYTES);
        let waiting = tokio::spawn({
            let link = link.clone();
            async move { link.allowance().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "more was read than may be unjudged");
        link.release(1);
        tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_bye_goes_out_after_what_waits_and_then_nothing() {
        let link = Link::new(LinkId(1), facts(1, Direction::Inbound), Timestamp(0));
        link.send(Bytes::from_static(b"one"));
        link.bye(ByeCode::LEAVING, "bye");
        link.send(Bytes::from_static(b"two"));
        let batch = link.next_batch().await.unwrap();
        let all = batch.pieces.iter().map(AsRef::<[u8]>::as_ref).collect::<Vec<_>>().concat();
        assert!(all.starts_with(b"one") && !all.ends_with(b"two"));
        assert_eq!(batch.gossip, 3, "only what the engine gave is its own");
        assert!(matches!(Frame::decode(&all[7..]), Ok(Frame::Bye(bye)) if bye.reason.as_raw() == "bye"));
        assert!(link.next_batch().await.is_none());
    }
}
