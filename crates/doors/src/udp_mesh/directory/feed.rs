//! Who is to be told of what, and when.
//!
//! Changes are gathered: the first goes out at once, the next after a gap that grows with the number of members and while
//! changes go on, so that whoever makes them cannot use up what legacy peers can take. Legacy peers
//! get the whole DIRECTORY, which is small; members of the extended form the whole in parts once, then what changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::{Change, KEY_LEN, encode_changes};

use super::member::{Has, Id, Member, Own, entry};
use crate::udp_mesh::pacer::GAP;

/// Between two broadcasts while changes go on. After a pause the first gaps are shorter: each doubles the next.
pub(crate) const GAP_BUSY: Duration = Duration::from_millis(100);
/// And for each member: a broadcast costs a datagram for each.
const GAP_EACH: Duration = Duration::from_micros(25);
/// Steps that are kept. Who is further behind gets the whole.
const MAX_JOURNAL: usize = 32_768;
/// Bytes of a part or of changes: a few of these fit the buffer of a receiver that is not looking.
pub(super) const MAX_PART: usize = 32_768;
/// Who has not said that it got what was sent so long ago gets it again.
const REPEAT: Duration = Duration::from_secs(1);

/// One step from a version of the directory to the next.
#[derive(Debug, Clone)]
enum MembershipChange {
    /// A member came: its character, where it takes datagrams, and its key and name.
    Came(Option<NameChar>, SocketAddr, Option<Own>),
    /// The member that took datagrams there has gone.
    Went(SocketAddr),
}

impl MembershipChange {
    fn change(&self) -> Change<'_> {
        match self {
            Self::Came(character, addr, own) => Change::Came(entry(*character, *addr, own.as_ref())),
            Self::Went(addr) => Change::Went(*addr),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Came(_, _, own) => entry_len(own.as_ref().map(|own| own.name.as_str())),
            Self::Went(_) => entry_len(None),
        }
    }
}

/// Bytes of an entry or a step without a name, at most: tag, character, address, form.
const ENTRY: usize = 1 + 1 + 19 + 1;
/// What a name has beside its bytes: its length and its key.
const NAMED: usize = 1 + KEY_LEN;

/// Bytes of an entry or a step, at most.
pub(super) fn entry_len(name: Option<&str>) -> usize {
    ENTRY.saturating_add(name.map_or(0, |name| name.len().saturating_add(NAMED)))
}

pub(super) type Bytes = Arc<[u8]>;

#[derive(Debug)]
pub(super) struct Feed {
    version: u64,
    /// The last steps; the last of them leads to `version`.
    journal: VecDeque<MembershipChange>,
    /// Legacy peers are to be told again.
    pub(super) legacy: bool,
    pub(super) due: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// From the last broadcast to the next.
    pub(super) gap: Duration,
    pub(super) agenda: BTreeSet<(Timestamp, Id)>,
    pub(super) directory: Option<Bytes>,
    pub(super) parts: Option<(u64, Arc<[Bytes]>)>,
    /// From a version: the datagram and the version it leads to.
    changes: BTreeMap<u64, (Bytes, u64)>,
}

impl Feed {
    pub(super) const fn new(version: u64) -> Self {
        Self {
            version,
            journal: VecDeque::new(),
            legacy: false,
            due: None,
            last: None,
            gap: GAP,
            agenda: BTreeSet::new(),
            directory: None,
            parts: None,
            changes: BTreeMap::new(),
        }
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn came(&mut self, member: &Member) {
        self.step(
            MembershipChange::Came(member.character, member.addr, member.own.clone()),
            member.character.is_some(),
        );
    }

    pub(super) fn went(&mut self, member: &Member) {
        self.step(MembershipChange::Went(member.addr), member.character.is_some());
    }

    fn step(&mut self, step: MembershipChange, legacy: bool) {
        self.version = self.version.saturating_add(1);
        self.journal.push_back(step);
        if self.journal.len() > MAX_JOURNAL {
            self.journal.pop_front();
        }
        self.changes.clear();
        self.legacy |= legacy;
        if legacy {
            self.directory = None;
        }
    }

    /// A broadcast is wanted: now if the last is long past.
    pub(super) fn mark(&mut self, now: Timestamp, members: usize) {
        let gap = self.gap.max(GAP_EACH.saturating_mul(u32::try_from(members).unwrap_or(u32::MAX)));
        let due = self.last.map_or(now, |last| now.max(last.after(gap)));
        self.due = self.due.or(Some(due));
    }

    /// The same, for legacy peers even if nothing changed.
    pub(super) fn mark_legacy(&mut self, now: Timestamp, members: usize) {
        self.legacy = true;
        self.mark(now, members);
    }

    /// A member of the extended form says what it has. What it lost on the way it gets again.
    pub(super) fn resend(&mut self, now: Timestamp, id: Id, member: &mut Member, has: u64) {
        if member.queued || now < member.ready.after(REPEAT) {
            return;
        }
        // The version of its page says that it has nothing.
        let has = if member.receipt.names_page(has) { 0 } else { has };
        member.has = match member.has {
            Has::Asked => Has::Nothing,
            Has::Version(sent) if has < sent && self.reaches(has) => Has::Version(has),
            Has::Version(sent) if has < sent => Has::Nothing,
            _ => return,
        };
        member.again_sent = true;
        self.queue(now, id, member);
    }

    /// Whether the journal leads on from a version.
    pub(super) fn reaches(&self, version: u64) -> bool {
        let back = u64::try_from(self.journal.len()).unwrap_or(u64::MAX);
        version <= self.version && version >= self.version.saturating_sub(back)
    }

    pub(super) fn queue(&mut self, now: Timestamp, id: Id, member: &mut Member) {
        if !member.queued {
            member.queued = true;
            self.agenda.insert((now.max(member.ready), id));
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let first = self.agenda.first().map(|(at, _)| *at);
        first.into_iter().chain(self.due).min()
    }

    /// Changes from a version on, as many as fit a datagram.
    pub(super) fn changes(&mut self, from: u64) -> (Bytes, u64) {
        if let Some((bytes, to)) = self.changes.get(&from) {
            return (Arc::clone(bytes), *to);
        }
        let behind = usize::try_from(self.version.saturating_sub(from)).unwrap_or(usize::MAX);
        let start = self.journal.len().saturating_sub(behind);
        let mut room = MAX_PART;
        let fits = |step: &&MembershipChange| {
            let left = room.checked_sub(step.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let steps: Vec<_> = self.journal.range(start..).take_while(fits).map(MembershipChange::change).collect();
        let (mut out, count) = (Vec::new(), u64::try_from(steps.len()).unwrap_or(u64::MAX));
        let encoded = encode_changes(from, steps, &mut out);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let made: (Bytes, u64) = (out.into(), from.saturating_add(count));
        self.changes.insert(from, made.clone());
        made
    }
}
