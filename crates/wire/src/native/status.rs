//! STATUS (docs/protocol.md, P-S1 to P-S6): what a node has of which origins.

use core::fmt;

use nom::{
    Parser,
    number::complete::{be_u16, be_u32, u8 as byte},
};

use super::MAX_STATUS_ENTRIES;
use super::error::{EncodeError, WireFault};
use super::prim::{Parse, array, before, ensure, fault, origin, put_origin, put_varint, varint};
use crate::{HeadHash, Origin, Seq};

const WANT_STATUS: u8 = 1;
const HOLD: u8 = 2;

/// STATUS (P-S1 to P-S8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status<'a> {
    /// A STATUS is asked for in answer (P-S1).
    pub want_status: bool,
    /// The sender keeps nothing more now (P-S8).
    pub hold: bool,
    /// RUMOR frames received and judged (P-S2).
    pub heard: u64,
    /// Of the whole frontier (P-S3).
    pub fingerprint: [u8; 16],
    /// How many origins the whole frontier has.
    pub origins: u32,
    /// What the absence of an origin means (P-S4).
    pub coverage: Coverage,
    /// The entries, in strictly rising order of origin.
    pub entries: StatusEntries<'a>,
}

/// Which origins a STATUS speaks of (P-S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Those that it lists.
    Listed,
    /// All between, both ends included.
    Range {
        /// The lowest origin that is spoken of; not above `high`.
        low: Origin,
        /// The highest, itself spoken of too.
        high: Origin,
    },
}

/// One line of a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusEntry {
    /// The chain that this line is about.
    pub origin: Origin,
    /// The number wanted next; the place of the fork in state `Forked`.
    pub next: Seq,
    /// Of the head's digest.
    pub head: HeadHash,
    /// The lowest number still kept.
    pub kept: Seq,
    /// Normal, forked or on hold.
    pub state: EntryState,
}

/// State of a frontier's line (P-S6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryState {
    /// As it should be.
    Normal,
    /// An equivocation proof is held.
    Forked,
    /// Do not send this origin now.
    Hold,
}

/// The entries of a STATUS: checked bytes of a frame, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct StatusEntries<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Wire { bytes: &'a [u8], count: usize },
    Slice(&'a [StatusEntry]),
}

impl<'a> StatusEntries<'a> {
    /// How many entries the list has.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Repr::Wire { count, .. } => count,
            Repr::Slice(entries) => entries.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = StatusEntry> + Clone + use<'a> {
        let (mut bytes, slice) = match self.0 {
            Repr::Wire { bytes, .. } => (bytes, &[][..]),
            Repr::Slice(entries) => (&[][..], entries),
        };
        let wire = core::iter::from_fn(move || {
            // Ends at the end: the bytes were checked when the frame was.
            let (rest, entry) = entry(bytes).ok()?;
            bytes = rest;
            Some(entry)
        });
        wire.chain(slice.iter().copied())
    }
}

impl<'a> From<&'a [StatusEntry]> for StatusEntries<'a> {
    fn from(entries: &'a [StatusEntry]) -> Self {
        Self(Repr::Slice(entries))
    }
}

impl Default for StatusEntries<'_> {
    fn default() -> Self {
        Self(Repr::Slice(&[]))
    }
}

impl PartialEq for StatusEntries<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for StatusEntries<'_> {}

impl fmt::Debug for StatusEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn state(input: &[u8]) -> Parse<'_, EntryState> {
    let (rest, state) = byte(input)?;
    match state {
        0 => Ok((rest, EntryState::Normal)),
        1 => Ok((rest, EntryState::Forked)),
        2 => Ok((rest, EntryState::Hold)),
        _ => fault(input, WireFault::EntryState),
    }
}

fn entry(input: &[u8]) -> Parse<'_, StatusEntry> {
    let (at_next, origin) = origin(input)?;
    let (rest, next) = varint.map(Seq).parse(at_next)?;
    ensure(next.0 != 0, at_next, WireFault::NextZero)?;
    let (at_kept, head) = array.map(HeadHash).parse(rest)?;
    let (rest, kept) = varint.map(Seq).parse(at_kept)?;
    ensure(kept.0 != 0, at_kept, WireFault::KeptZero)?;
    let (rest, state) = state(rest)?;
    Ok((rest, StatusEntry { origin, next, head, kept, state }))
}

fn coverage(input: &[u8]) -> Parse<'_, Coverage> {
    let (rest, kind) = byte(input)?;
    match kind {
        0 => Ok((rest, Coverage::Listed)),
        1 => {
            let (after, (low, high)) = (origin, origin).parse(rest)?;
            ensure(low <= high, rest, WireFault::CoverageOrder)?;
            Ok((after, Coverage::Range { low, high }))
        }
        _ => fault(input, WireFault::Coverage),
    }
}

impl Coverage {
    fn holds(&self, entry: &StatusEntry) -> bool {
        match self {
            Self::Listed => true,
            Self::Range { low, high } => (low..=high).contains(&&entry.origin),
        }
    }
}

/// The entries after one another, each in order and inside the coverage (P-S5).
fn entries<'a>(input: &'a [u8], coverage: &Coverage) -> Parse<'a, StatusEntries<'a>> {
    let (start, count) = be_u16.map(usize::from).parse(input)?;
    ensure(count <= MAX_STATUS_ENTRIES, input, WireFault::EntryCount)?;
    let (mut rest, mut last) = (start, None);
    for _ in 0..count {
        let (after, entry) = entry(rest)?;
        ensure(last < Some(entry.origin), rest, WireFault::EntryOrder)?;
        ensure(coverage.holds(&entry), rest, WireFault::EntryOutside)?;
        (rest, last) = (after, Some(entry.origin));
    }
    Ok((rest, StatusEntries(Repr::Wire { bytes: before(start, rest), count })))
}

pub(super) fn decode(input: &[u8]) -> Parse<'_, Status<'_>> {
    let (rest, flags) = byte(input)?;
    ensure(flags & !(WANT_STATUS | HOLD) == 0, input, WireFault::FlagBits)?;
    let (rest, (heard, fingerprint, origins, coverage)) = (varint, array, be_u32, coverage).parse(rest)?;
    let (rest, entries) = entries(rest, &coverage)?;
    let (want_status, hold) = (flags & WANT_STATUS != 0, flags & HOLD != 0);
    Ok((rest, Status { want_status, hold, heard, fingerprint, origins, coverage, entries }))
}

pub(super) fn encode(status: &Status<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let flag = |set, bit| if set { bit } else { 0 };
    out.push(flag(status.want_status, WANT_STATUS) | flag(status.hold, HOLD));
    put_varint(out, status.heard);
    out.extend_from_slice(&status.fingerprint);
    out.extend_from_slice(&status.origins.to_be_bytes());
    match &status.coverage {
        Coverage::Listed => out.push(0),
        Coverage::Range { low, high } if low <= high => {
            out.push(1);
            put_origin(out, low);
            put_origin(out, high);
        }
        Coverage::Range { .. } => return Err(EncodeError(WireFault::CoverageOrder)),
    }
    let count = u16::try_from(status.entries.len()).ok().filter(|n| usize::from(*n) <= MAX_STATUS_ENTRIES);
    out.extend_from_slice(&count.ok_or(EncodeError(WireFault::EntryCount))?.to_be_bytes());
    let mut last = None;
    for entry in status.entries.iter() {
        let faults = [
            (last >= Some(entry.origin), WireFault::EntryOrder),
            (!status.coverage.holds(&entry), WireFault::EntryOutside),
            (entry.next.0 == 0, WireFault::NextZero),
            (entry.kept.0 == 0, WireFault::KeptZero),
        ];
        if let Some((_, reason)) = faults.into_iter().find(|(broken, _)| *broken) {
            return Err(EncodeError(reason));
        }
        put_entry(out, &entry);
        last = Some(entry.origin);
    }
    Ok(())
}

fn put_entry(out: &mut Vec<u8>, entry: &StatusEntry) {
    put_origin(out, &entry.origin);
    put_varint(out, entry.next.0);
    out.extend_from_slice(entry.head.as_bytes());
    put_varint(out, entry.kept.0);
    out.push(match entry.state {
        EntryState::Normal => 0,
        EntryState::Forked => 1,
        EntryState::Hold => 2,
    });
}
