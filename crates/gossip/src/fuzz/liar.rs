//! The liar's frames: of the right form, and about what is really there.

use bytes::Bytes;
use rumormill_wire::native::{
    Buckets, Coverage, EntryState, Frame, Member, RangeRequest, Status, StatusEntries, StatusEntry, rumor_prefix,
};
use rumormill_wire::{HeadHash, Origin, Seq};

use super::cast;
use super::finding::Finding;
use super::ops::ARGS;
use super::world::{Slot, World};
use crate::frontier::{Fingerprint, entry_hash};
use crate::io::Input;

/// A reader takes nothing more while so many bytes of it are without a verdict.
pub(super) const MAX_UNJUDGED: usize = 16_384;

impl World<'_> {
    /// A link of the liar's, under one of its names.
    pub(super) fn open(&mut self, slot: usize, who: u8) -> Result<(), Finding> {
        let (end, peer) = (slot % 2, cast::id(cast::LIARS[usize::from(who) % cast::LIARS.len()]));
        if self.slots[slot].is_some() {
            return Ok(());
        }
        let link = self.link_up(end, peer)?;
        self.slots[slot] = Some(Slot { end, link, unread: 0, rumors: 0 });
        self.give(end, Input::LinkUp { link, peer, named: false })
    }

    pub(super) fn hang_up(&mut self, slot: usize) -> Result<(), Finding> {
        let Some(Slot { end, link, .. }) = self.slots[slot].take() else { return Ok(()) };
        self.nodes[end].unjudged.remove(&link);
        self.give(end, Input::LinkDown { link })
    }

    /// The liar reads what was sent to it.
    pub(super) fn read_all(&mut self, slot: usize) -> Result<(), Finding> {
        let Some(slot) = &mut self.slots[slot] else { return Ok(()) };
        let (end, link, bytes) = (slot.end, slot.link, core::mem::take(&mut slot.unread));
        self.give(end, Input::Writable { link, bytes })
    }

    /// Sends a frame, kind and payload.
    pub(super) fn say(&mut self, slot: usize, bytes: Bytes) -> Result<(), Finding> {
        let Some(Slot { end, link, .. }) = self.slots[slot] else { return Ok(()) };
        if matches!(Frame::decode(&bytes), Ok(Frame::Rumor(_))) {
            let unjudged = self.nodes[end].unjudged.entry(link).or_default();
            if *unjudged >= MAX_UNJUDGED {
                return Ok(());
            }
            *unjudged += bytes.len();
        }
        let kind = bytes.first().copied().unwrap_or(0);
        self.give(end, Input::Frame { link, bytes })?;
        if self.slots[slot].is_some() && self.spent.control_to(link) > 0 {
            match kind {
                rumormill_wire::native::kind::STATUS => self.reach("STATUS answered"),
                rumormill_wire::native::kind::BUCKETS => self.reach("BUCKETS answered"),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn say_frame(&mut self, slot: usize, frame: &Frame<'_>) -> Result<(), Finding> {
        let mut out = Vec::new();
        match frame.encode(&mut out) {
            Ok(()) => self.say(slot, Bytes::from(out.split_off(4))),
            Err(_) => Ok(()),
        }
    }

    /// A bundle; of flags, bit 0 wants a STATUS, bit 1 says that it answers a RANGE.
    pub(super) fn say_bundle(&mut self, slot: usize, bundle: &[u8], flags: u8) -> Result<(), Finding> {
        let Ok(prefix) = rumor_prefix(flags & 1 != 0, flags & 2 != 0, bundle.len()) else { return Ok(()) };
        self.say(slot, Bytes::from([&prefix[4..], bundle].concat()))
    }

    /// `slot, how, (origin, spec) three times, number`. `how`: bit 0 wants an answer, bits 1 and 2 the coverage, bits 3 and 4
    /// what was heard, bit 5 a true fingerprint, bits 6 and 7 how many entries.
    pub(super) fn status(&mut self, args: [u8; ARGS]) -> Result<(), Finding> {
        let [slot, how, ..] = args;
        let slot = usize::from(slot % 4);
        let Some((end, rumors)) = self.slots[slot].as_ref().map(|slot| (slot.end, slot.rumors)) else { return Ok(()) };
        let listed = args[2..8].chunks(2).take(usize::from(how >> 6));
        let mut entries: Vec<_> = listed.map(|pair| self.entry(end, pair[0], pair[1], args[8])).collect();
        entries.sort_unstable_by_key(|entry| entry.origin);
        entries.dedup_by_key(|entry| entry.origin);
        let me = self.nodes[end].engine.me();
        let whole = |low: Origin, high: Origin| Coverage::Range { low, high };
        let coverage = match how >> 1 & 3 {
            0 => Coverage::Listed,
            1 => whole(Origin::MIN, Origin::MAX),
            2 => whole(Origin { node: me.node, ..Origin::MIN }, Origin { node: me.node, ..Origin::MAX }),
            _ => entries.last().map_or(Coverage::Listed, |last| whole(Origin::MIN, last.origin)),
        };
        if let Coverage::Range { low, high } = coverage {
            entries.retain(|entry| low <= entry.origin && entry.origin <= high);
        }
        let heard = match how >> 3 & 3 {
            0 => 0,
            1 => rumors,
            2 => rumors + 1,
            _ => rumors / 2,
        };
        let engine = &self.nodes[end].engine;
        let (fingerprint, origins) = match how & 32 {
            0 => ([args[8]; 16], u32::from(args[8])),
            _ => (engine.fingerprint(), u32::try_from(engine.frontier().count()).unwrap_or(0)),
        };
        let kind = match coverage {
            Coverage::Listed if entries.is_empty() => "a summary",
            Coverage::Listed => "a STATUS of some origins",
            Coverage::Range { .. } => "a STATUS of a range",
        };
        let want_status = how & 1 != 0;
        let entries = StatusEntries::from(entries.as_slice());
        self.say_frame(
            slot,
            &Frame::Status(Status {
                want_status,
                hold: how & 0xc0 == 0xc0 && args[8] & 1 == 1,
                heard,
                fingerprint,
                origins,
                coverage,
                entries,
            }),
        )?;
        if self.slots[slot].is_some() {
            self.reach(kind);
        }
        Ok(())
    }

    fn entry(&self, end: usize, origin: u8, spec: u8, number: u8) -> StatusEntry {
        let origin = self.origin(origin);
        let ours = self.nodes[end].engine.frontier().find(|entry| entry.origin == origin);
        let next = ours.as_ref().map_or(1, |entry| entry.next.0);
        let by = u64::from(number);
        let next = match spec % 8 {
            0 => next,
            1 => 1,
            2 => next.saturating_add(1),
            3 => next.saturating_add(by),
            4 => u64::MAX,
            5 => next.saturating_sub(1).max(1),
            6 => 1 << 40,
            _ => by.max(1),
        };
        let head = match spec >> 3 & 3 {
            0 => ours.map_or(HeadHash::ZERO, |entry| entry.head),
            1 => HeadHash::ZERO,
            _ => HeadHash([number | 1; 16]),
        };
        let state = match spec >> 5 & 3 {
            1 => EntryState::Forked,
            2 => EntryState::Hold,
            _ => EntryState::Normal,
        };
        StatusEntry { origin, next: Seq(next), head, kept: Seq::FIRST, state }
    }

    /// `slot, how, which`: the true sums, none, or one that differs.
    pub(super) fn buckets(&mut self, args: [u8; ARGS]) -> Result<(), Finding> {
        let slot = usize::from(args[0] % 4);
        let Some(end) = self.slots[slot].as_ref().map(|slot| slot.end) else { return Ok(()) };
        let mut sums = Fingerprint::default();
        for entry in self.nodes[end].engine.frontier() {
            sums.change(&entry.origin, None, Some(entry_hash(&entry)));
        }
        let mut parts = sums.parts();
        match args[1] % 3 {
            0 => parts[usize::from(args[2])][15] ^= 1,
            1 => parts = [[0; 16]; 256],
            _ => {}
        }
        self.say_frame(slot, &Frame::Buckets(Buckets::from(&parts)))
    }

    /// `slot, origin, from, length`.
    pub(super) fn range(&mut self, args: [u8; ARGS]) -> Result<(), Finding> {
        let from = match args[2] {
            255 => u64::MAX - 1,
            from => u64::from(from).max(1),
        };
        let until = Seq(from.saturating_add(u64::from(args[3]).max(1)));
        let request = RangeRequest { origin: self.origin(args[1]), from: Seq(from), until };
        self.say_frame(usize::from(args[0] % 4), &Frame::Range(request))
    }

    /// `slot, who, how`: a certificate, true if `how` is even, the second one if it is 2 of 4.
    pub(super) fn member(&mut self, args: [u8; ARGS]) -> Result<(), Finding> {
        let node = self.origin(args[1]).node;
        let second = args[2] % 4 == 2;
        let mut evidence = if second { cast::second_certificate(&node) } else { cast::certificate(&node) };
        if args[2] % 2 == 1 {
            evidence.push(args[2]);
        }
        self.say_frame(usize::from(args[0] % 4), &Frame::Member(Member { node, evidence: &evidence }))
    }
}
