//! What waits to be written to one peer, in order.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes in an outbox above which the link is given up: eight times the engine's window, so never in good order.
pub(crate) const MAX_OUTBOX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes in an outbox above which PING and PONG are left out, half of those, and pieces: short ones cost more than their bytes.
const MAX_OWN_AT_BYTES: usize = 2 * 1024 * 1024;
const MAX_OWN_AT_PIECES: usize = 1_024;
/// Bytes written at once: as many as TLS holds before the socket takes them.
pub(crate) const MAX_BATCH_BYTES: usize = 256 * 1024;

/// One run of bytes to write.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Length, kind and flags before a bundle.
    Prefix([u8; 6]),
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

/// What goes out in one write.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Piece>,
    /// Bytes of all pieces.
    pub(crate) bytes: usize,
    /// Bytes of those that the engine counts.
    pub(crate) credit: usize,
}

/// What [`Outbox::take`] found.
pub(crate) enum Taken {
    Batch(Batch),
    Empty,
    /// Nothing waits and nothing will.
    Done,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<(Piece, usize)>,
    bytes: usize,
    put_in: u64,
    closing: bool,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that were ever put in.
    pub(crate) fn put_in(&self) -> u64 {
        self.put_in
    }

    fn add(&mut self, piece: Piece, credit: usize) {
        let len = piece.as_ref().len();
        self.bytes = self.bytes.saturating_add(len);
        self.put_in = self.put_in.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.items.push_back((piece, credit));
    }

    /// Whether there was room; what comes after the end is dropped.
    pub(crate) fn push(&mut self, frame: Bytes, credit: usize) -> bool {
        if self.closing {
            return true;
        }
        self.add(Piece::Shared(frame), credit);
        self.bytes <= MAX_OUTBOX_BYTES
    }

    pub(crate) fn push_bundle(&mut self, prefix: [u8; 6], bundle: Bytes, credit: usize) -> bool {
        if self.closing {
            return true;
        }
        self.add(Piece::Prefix(prefix), 0);
        self.add(Piece::Shared(bundle), credit);
        self.bytes <= MAX_OUTBOX_BYTES
    }

    pub(crate) fn push_own(&mut self, frame: Bytes) -> bool {
        if !self.closing && self.bytes < MAX_OWN_AT_BYTES && self.items.len() < MAX_OWN_AT_PIECES {
            self.add(Piece::Shared(frame), 0);
        }
        true
    }

    /// The last frame, unless there is one already.
    pub(crate) fn close_with(&mut self, frame: Bytes) -> bool {
        let first = !core::mem::replace(&mut self.closing, true);
        if first {
            self.add(Piece::Shared(frame), 0);
        }
        first
    }

    /// Nothing more comes: once what waits was taken, it is done.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether its last frame is in it.
    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn take(&mut self) -> Taken {
        let mut batch = Batch::default();
        // A prefix is never left at the end of a batch: its bundle follows at once.
        while batch.bytes < MAX_BATCH_BYTES || matches!(batch.pieces.last(), Some(Piece::Prefix(_))) {
            let Some((piece, credit)) = self.items.pop_front() else { break };
            let len = piece.as_ref().len();
            self.bytes = self.bytes.saturating_sub(len);
            batch.bytes = batch.bytes.saturating_add(len);
            batch.credit = batch.credit.saturating_add(credit);
            batch.pieces.push(piece);
        }
        match batch.pieces.is_empty() {
            false => Taken::Batch(batch),
            true if self.closing => Taken::Done,
            true => Taken::Empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_and_ends_with_a_whole_frame() {
        let mut outbox = Outbox::default();
        let bundle = Bytes::from(vec![7; 65_536]);
        for _ in 0..10 {
            assert!(outbox.push_bundle([0; 6], bundle.clone(), 65_542));
        }
        let (mut credit, mut batches) = (0, 0);
        while let Taken::Batch(batch) = outbox.take() {
            assert!(batch.bytes <= MAX_BATCH_BYTES + 65_542);
            assert_eq!(batch.bytes, batch.credit);
            credit += batch.credit;
            batches += 1;
        }
        assert_eq!((credit, batches), (655_420, 3));
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn answers_to_pings_that_nobody_reads_are_few() {
        let mut outbox = Outbox::default();
        for _ in 0..100_000 {
            assert!(outbox.push_own(Bytes::from_static(b"pong")));
        }
        assert_eq!(outbox.items.len(), MAX_OWN_AT_PIECES);
    }

    #[test]
    fn an_outbox_says_when_it_is_over_its_bound() {
        let mut outbox = Outbox::default();
        let frame = Bytes::from(vec![0; MAX_OUTBOX_BYTES]);
        assert!(outbox.push(frame.clone(), 0));
        assert!(!outbox.push(frame, 0));
        let before = outbox.items.len();
        assert!(outbox.push_own(Bytes::from_static(b"ping")), "a PING too many is no reason to close");
        assert_eq!(outbox.items.len(), before);
    }

    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_comes_out_once_in_order_whatever_the_sizes(sizes in prop::collection::vec((1_usize..70_000, any::<bool>()), 0..40)) {
            let (mut outbox, mut expected, mut credit) = (Outbox::default(), Vec::new(), 0);
            for (n, (size, bundle)) in sizes.iter().enumerate() {
                let bytes = Bytes::from(vec![u8::try_from(n).unwrap(); *size]);
                if *bundle {
                    expected.extend([9; 6]);
                    outbox.push_bundle([9; 6], bytes.clone(), size + 6);
                    credit += 6;
                } else {
                    outbox.push(bytes.clone(), *size);
                }
                credit += size;
                expected.extend(bytes);
            }
            prop_assert_eq!(outbox.put_in(), u64::try_from(expected.len()).unwrap());
            let (mut found, mut paid) = (Vec::new(), 0);
            while let Taken::Batch(batch) = outbox.take() {
                let all: Vec<u8> = batch.pieces.iter().flat_map(|piece| piece.as_ref().to_vec()).collect();
                prop_assert_eq!(all.len(), batch.bytes);
                paid += batch.credit;
                found.extend(all);
            }
            prop_assert!(found == expected);
            prop_assert_eq!(paid, credit);
        }
    }
}
