//! Whose letters wait, how many of each sender may, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rumormill_wire::NodeId;

/// Letters that wait, those to older nodes among them. Beyond that, letters wait in the log.
pub(crate) const MAX_WAITING: usize = 10_000;
/// Bytes of all of them.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// Letters of one sender that wait; fewer where not much is free, so that one more who fills his share leaves room for the next.
pub(crate) const MAX_BY_SENDER: usize = 500;
/// Bytes of the letters of one sender that wait (P-L7).
pub(crate) const MAX_BYTES_BY_SENDER: usize = 1 << 20;
/// Nobody has more than this part of what is free.
const PART_OF_FREE: usize = 8;
/// All addresses together have this part of everything, since anybody may have many.
const PART_OF_ADDRESSES: usize = 4;

/// Who sent a letter: the node that signed it, or nobody known but an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sender {
    Node(NodeId),
    Address(IpAddr),
}

/// Whose share a letter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// To be pulled: its sender's.
    From(Sender),
    /// To an older node: what waits for each has a share.
    To(IpAddr),
}

/// A number of letters and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) letters: usize,
    pub(crate) bytes: usize,
}

impl Size {
    /// One letter with this text.
    pub(crate) const fn of(contents: &str) -> Self {
        Self { letters: 1, bytes: contents.len() }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        let letters = self.letters.saturating_add(other.letters);
        Self { letters, bytes: self.bytes.saturating_add(other.bytes) }
    }

    const fn less(self, other: Self) -> Self {
        let letters = self.letters.saturating_sub(other.letters);
        Self { letters, bytes: self.bytes.saturating_sub(other.bytes) }
    }

    const fn is_within(self, most: Self) -> bool {
        self.letters <= most.letters && self.bytes <= most.bytes
    }
}

/// What may wait in all.
const ALL: Size = Size { letters: MAX_WAITING, bytes: MAX_BYTES };
/// What may wait of all addresses together.
const OF_ADDRESSES: Size = Size { letters: MAX_WAITING / PART_OF_ADDRESSES, bytes: MAX_BYTES / PART_OF_ADDRESSES };

/// Letters that wait and take one share.
#[derive(Debug, Default)]
struct LetterQueue {
    /// By number, so the oldest stands first.
    ids: BTreeSet<u64>,
    size: Size,
}

/// All that waits, by whose it is.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    by: BTreeMap<Whose, LetterQueue>,
    all: Size,
    of_addresses: Size,
    /// Whose letter was handed over last.
    last: Option<Sender>,
}

impl Shares {
    pub(crate) fn add(&mut self, whose: Whose, id: u64, size: Size) {
        let held = self.by.entry(whose).or_default();
        if held.ids.insert(id) {
            held.size = held.size.plus(size);
            self.all = self.all.plus(size);
            if is_address(&whose) {
                self.of_addresses = self.of_addresses.plus(size);
            }
        }
    }

    pub(crate) fn remove(&mut self, whose: &Whose, id: u64, size: Size) {
        let Some(held) = self.by.get_mut(whose) else { return };
        if !held.ids.remove(&id) {
            return;
        }
        held.size = held.size.less(size);
        if held.ids.is_empty() {
            self.by.remove(whose);
        }
        self.all = self.all.less(size);
        if is_address(whose) {
            self.of_addresses = self.of_addresses.less(size);
        }
        if let Whose::From(sender) = whose {
            self.last = Some(*sender);
        }
    }

    /// Whether so much more may wait. One letter may of whoever has none, if there is room at all.
    pub(crate) fn has_room(&self, whose: &Whose, more: Size) -> bool {
        let own = self.by.get(whose).map(|held| held.size).unwrap_or_default();
        let free = ALL.less(self.all);
        let share = Size {
            letters: MAX_BY_SENDER.min(free.letters / PART_OF_FREE),
            bytes: MAX_BYTES_BY_SENDER.min(free.bytes / PART_OF_FREE),
        };
        let is_first = own.letters == 0 && more.letters <= 1;
        let addresses_have_room = !is_address(whose) || self.of_addresses.plus(more).is_within(OF_ADDRESSES);
        more.is_within(free) && addresses_have_room && (is_first || own.plus(more).is_within(share))
    }

    /// How many of somebody's wait.
    pub(crate) fn letters_of(&self, whose: &Whose) -> usize {
        self.by.get(whose).map_or(0, |held| held.size.letters)
    }

    /// Letters to be pulled that are free, at most `most`: senders take turns, from the one after whose letter was handed over last, and of
    /// each the oldest comes first.
    pub(crate) fn in_turn(&self, most: usize, is_free: impl Fn(u64) -> bool) -> Vec<u64> {
        let senders = self.by.iter().filter_map(|(whose, held)| match whose {
            Whose::From(sender) => Some((Some(*sender) <= self.last, *sender, held.ids.iter())),
            Whose::To(_) => None,
        });
        let mut left: Vec<_> = senders.collect();
        left.sort_by_key(|(had_its_turn, sender, _)| (*had_its_turn, *sender));
        let mut ids = Vec::new();
        while !left.is_empty() && ids.len() < most {
            left.retain_mut(|(_, _, of_sender)| {
                let next = of_sender.find(|id| is_free(**id)).filter(|_| ids.len() < most);
                ids.extend(next);
                next.is_some()
            });
        }
        ids
    }
}

/// Whether nobody has proved who sends it.
const fn is_address(whose: &Whose) -> bool {
    matches!(whose, Whose::From(Sender::Address(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u32) -> Whose {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        Whose::From(Sender::Node(NodeId(id)))
    }

    fn address(n: u32) -> Whose {
        Whose::From(Sender::Address(IpAddr::from(n.to_be_bytes())))
    }

    /// Fills up one's share with letters of so many bytes; how many they were.
    fn fill(shares: &mut Shares, whose: Whose, bytes: usize, next: &mut u64) -> usize {
        let (mut count, size) = (0, Size { letters: 1, bytes });
        while shares.has_room(&whose, size) {
            shares.add(whose, *next, size);
            (*next, count) = (*next + 1, count + 1);
        }
        count
    }

    #[test]
    fn whoever_fills_his_share_leaves_room_for_the_next() {
        for bytes in [1, 32_000] {
            let (mut shares, mut next) = (Shares::default(), 0);
            assert_eq!(fill(&mut shares, node(0), bytes, &mut next), MAX_BY_SENDER.min(MAX_BYTES_BY_SENDER / bytes));
            // Addresses, of which anybody has many, leave most of it to members.
            let of_addresses: usize = (0..2_000).map(|n| fill(&mut shares, address(n), bytes, &mut next)).sum();
            assert!(of_addresses <= MAX_WAITING / 4 && of_addresses * bytes <= MAX_BYTES / 4, "{of_addresses}");
            for n in 1..40 {
                assert!(fill(&mut shares, node(n), bytes, &mut next) > 0, "{n} of {bytes} bytes");
            }
            assert!(shares.all.is_within(ALL));
            let held: Vec<_> = shares.by.iter().map(|(whose, held)| (*whose, held.ids.clone())).collect();
            held.iter().for_each(|(whose, ids)| {
                ids.iter().for_each(|id| shares.remove(whose, *id, Size { letters: 1, bytes }));
            });
            assert_eq!((shares.all, shares.of_addresses, shares.by.len()), (Size::default(), Size::default(), 0));
        }
    }

    #[test]
    fn senders_take_turns_and_go_on_where_the_last_reader_ended() {
        let mut shares = Shares::default();
        (0..6).for_each(|id| shares.add(node(1), id, Size::of("x")));
        shares.add(node(2), 6, Size::of("x"));
        shares.add(node(3), 7, Size::of("x"));
        shares.add(node(3), 8, Size::of("x"));
        shares.add(Whose::To([127, 0, 0, 1].into()), 9, Size::of("x"));
        assert_eq!(shares.in_turn(100, |_| true), [0, 6, 7, 1, 8, 2, 3, 4, 5]);
        assert_eq!(shares.in_turn(3, |id| ![0, 6, 1].contains(&id)), [2, 7, 3], "others are being given those");
        let two = shares.in_turn(2, |_| true);
        assert_eq!(two, [0, 6]);
        shares.remove(&node(1), 0, Size::of("x"));
        shares.remove(&node(2), 6, Size::of("x"));
        assert_eq!(shares.in_turn(3, |_| true), [7, 1, 8], "after the one that was last");
    }
}
