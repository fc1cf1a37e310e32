//! What waits to be written to one peer, and in which order it goes: the machines of a node share the bytes of a link here.
//!
//! What is of one class leaves in the order in which it came. The link's own frames go before all others: an answer to a PING says whether
//! the link lives, not how much it carries. The others take turns by bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use rumormill_wire::native::RUMOR_PREFIX;

use crate::lanes::Lanes;

/// Whose a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The link's own: PING and PONG. Left out where too many wait.
    Link,
    /// The logs'.
    Gossip,
}

/// Classes that take turns.
const SHARING: usize = 1;
/// The lane of gossip.
const GOSSIP: usize = 0;

/// Bytes of a class that wait above which the link is given up: eight times the window of gossip, so never in good order.
pub const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Frames of the link's own that wait above which further ones are left out.
const MAX_OWN: usize = 1_024;
/// Bytes of others that wait above which a link that takes nothing is not pinged or answered, either.
const MAX_OWN_AT_BYTES: usize = 2 * 1024 * 1024;
/// Bytes written at once, and by less than one frame more: TLS holds them before the socket takes them, so on a slow link all that comes later
/// waits for them.
pub const MAX_BATCH_BYTES: usize = 64 * 1024;

/// One frame. A bundle stays where it is, and is not copied behind its prefix.
#[derive(Debug)]
enum Queued {
    Whole(Bytes),
    Rumor([u8; RUMOR_PREFIX], Bytes),
}

impl Queued {
    fn len(&self) -> usize {
        match self {
            Self::Whole(frame) => frame.len(),
            Self::Rumor(prefix, bundle) => prefix.len().saturating_add(bundle.len()),
        }
    }
}

/// One run of bytes to write.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Length, kind and flags before a bundle.
    Prefix([u8; RUMOR_PREFIX]),
    /// A frame or a bundle, where it is.
    Shared(Bytes),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Prefix(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What goes out in one write. It ends with a whole frame.
#[derive(Debug, Default)]
pub struct Batch {
    /// In this order.
    pub pieces: Vec<Piece>,
    /// Bytes of all of them.
    pub bytes: usize,
    /// Bytes of gossip's: [`rumormill_gossip::Input::Writable`] once they are written.
    pub gossip: usize,
}

impl Batch {
    fn add(&mut self, frame: Queued) {
        self.bytes = self.bytes.saturating_add(frame.len());
        match frame {
            Queued::Whole(frame) => self.pieces.push(Piece::Shared(frame)),
            Queued::Rumor(prefix, bundle) => self.pieces.extend([Piece::Prefix(prefix), Piece::Shared(bundle)]),
        }
    }
}

/// What [`Scheduler::take`] found.
#[derive(Debug)]
pub enum Taken {
    /// This is to be written.
    Batch(Batch),
    /// Nothing waits.
    Empty,
    /// Nothing waits and nothing will.
    Done,
}

/// What waits for one link.
#[derive(Debug)]
pub struct Scheduler {
    own: VecDeque<Bytes>,
    lanes: Lanes<Queued, SHARING>,
    /// Bytes of all that waits.
    bytes: usize,
    put_in: u64,
    last: Option<Bytes>,
    closing: bool,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self { own: VecDeque::new(), lanes: Lanes::new(), bytes: 0, put_in: 0, last: None, closing: false }
    }
}

impl Scheduler {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.lanes.is_empty() && self.last.is_none()
    }

    /// Bytes that were ever put in.
    #[must_use]
    pub const fn put_in(&self) -> u64 {
        self.put_in
    }

    fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.put_in = self.put_in.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn queue(&mut self, frame: Queued) -> bool {
        if self.closing {
            return true;
        }
        let bytes = frame.len();
        self.count(bytes);
        self.lanes.push(GOSSIP, frame, bytes) <= MAX_WAITING_BYTES
    }

    /// Puts a frame in, its length included. False if too much of its class waits: then the link is given up. What comes after the end is dropped.
    #[must_use]
    pub fn push(&mut self, class: Class, frame: Bytes) -> bool {
        match class {
            Class::Gossip => self.queue(Queued::Whole(frame)),
            Class::Link => {
                if !self.closing && self.own.len() < MAX_OWN && self.bytes < MAX_OWN_AT_BYTES {
                    self.count(frame.len());
                    self.own.push_back(frame);
                }
                true
            }
        }
    }

    /// The same for a RUMOR frame of gossip's, whose bundle is not copied.
    #[must_use]
    pub fn push_bundle(&mut self, prefix: [u8; RUMOR_PREFIX], bundle: Bytes) -> bool {
        self.queue(Queued::Rumor(prefix, bundle))
    }

    /// The last frame, behind all that waits, unless there is one already or none is to come.
    pub fn close_with(&mut self, frame: Bytes) -> bool {
        let first = !core::mem::replace(&mut self.closing, true);
        if first {
            self.count(frame.len());
            self.last = Some(frame);
        }
        first
    }

    /// Nothing more comes: once what waits was taken, it is done.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether nothing more is put in.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// What is to be written next.
    pub fn take(&mut self) -> Taken {
        let mut batch = Batch::default();
        while batch.bytes < MAX_BATCH_BYTES {
            if let Some(frame) = self.own.pop_front() {
                batch.add(Queued::Whole(frame));
            } else if let Some((_, frame, bytes)) = self.lanes.pop() {
                batch.gossip = batch.gossip.saturating_add(bytes);
                batch.add(frame);
            } else if let Some(frame) = self.last.take() {
                batch.add(Queued::Whole(frame));
            } else {
                break;
            }
        }
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        match batch.pieces.is_empty() {
            false => Taken::Batch(batch),
            true if self.closing => Taken::Done,
            true => Taken::Empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(batch: &Batch) -> Vec<u8> {
        batch.pieces.iter().flat_map(|piece| piece.as_ref().to_vec()).collect()
    }

    #[test]
    fn a_batch_is_bounded_and_ends_with_a_whole_frame() {
        let mut scheduler = Scheduler::default();
        let bundle = Bytes::from(vec![7; 30_000]);
        for _ in 0..10 {
            assert!(scheduler.push_bundle([0; 6], bundle.clone()));
        }
        let (mut gossip, mut batches) = (0, 0);
        while let Taken::Batch(batch) = scheduler.take() {
            assert!(batch.bytes <= MAX_BATCH_BYTES + 30_006);
            assert_eq!(batch.bytes, batch.gossip);
            gossip += batch.gossip;
            batches += 1;
        }
        assert_eq!((gossip, batches), (300_060, 4));
        assert_eq!(scheduler.bytes, 0);
    }

    #[test]
    fn answers_to_pings_that_nobody_reads_are_few() {
        let mut scheduler = Scheduler::default();
        for _ in 0..100_000 {
            assert!(scheduler.push(Class::Link, Bytes::from_static(b"pong")));
        }
        assert_eq!(scheduler.own.len(), MAX_OWN);
    }

    #[test]
    fn it_says_when_a_class_is_over_its_bound() {
        let mut scheduler = Scheduler::default();
        let frame = Bytes::from(vec![0; MAX_WAITING_BYTES]);
        assert!(scheduler.push(Class::Gossip, frame.clone()));
        assert!(!scheduler.push(Class::Gossip, frame));
        assert!(scheduler.push(Class::Link, Bytes::from_static(b"ping")), "a PING too many is no reason to close");
        assert!(scheduler.own.is_empty());
    }

    #[test]
    fn what_is_the_links_own_goes_before_what_it_carries_and_a_farewell_after_all() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.push(Class::Gossip, Bytes::from_static(b"status ")));
        assert!(scheduler.push(Class::Link, Bytes::from_static(b"pong ")));
        assert!(scheduler.close_with(Bytes::from_static(b"bye")) && !scheduler.close_with(Bytes::from_static(b"more")));
        assert!(scheduler.push(Class::Gossip, Bytes::from_static(b"late")));
        let Taken::Batch(batch) = scheduler.take() else { panic!("something waits") };
        assert_eq!((bytes(&batch).as_slice(), batch.gossip), (&b"pong status bye"[..], 7));
        assert!(matches!(scheduler.take(), Taken::Done));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_of_gossip_comes_out_once_in_order_whatever_the_sizes(
            sizes in prop::collection::vec((1_usize..65_000, any::<bool>()), 0..40),
        ) {
            let (mut scheduler, mut expected) = (Scheduler::default(), Vec::new());
            for (n, (size, bundle)) in sizes.iter().enumerate() {
                let bytes = Bytes::from(vec![u8::try_from(n).unwrap(); *size]);
                if *bundle {
                    expected.extend([9; 6]);
                    prop_assert!(scheduler.push_bundle([9; 6], bytes.clone()));
                } else {
                    prop_assert!(scheduler.push(Class::Gossip, bytes.clone()));
                }
                expected.extend(bytes);
            }
            prop_assert_eq!(scheduler.put_in(), u64::try_from(expected.len()).unwrap());
            let (mut found, mut gossip) = (Vec::new(), 0);
            while let Taken::Batch(batch) = scheduler.take() {
                prop_assert_eq!(bytes(&batch).len(), batch.bytes);
                gossip += batch.gossip;
                found.extend(bytes(&batch));
            }
            prop_assert!(found == expected);
            prop_assert_eq!(gossip, expected.len());
        }
    }
}
