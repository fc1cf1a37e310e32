//! Who is to be told of what, and when.
//!
//! Changes are gathered: the first goes out at once, the next after a gap that grows with the number of members and while
//! changes go on, so that whoever makes them cannot use up what old peers can take. Old peers
//! get the whole DIRECTORY, which is small; members of the extended form the whole in parts once, then what changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::udp_mesh::extended::{Change, Entry, KEY_LEN, encode_changes, encode_part};
use rumormill_wire::udp_mesh::{Letter, encode_directory};

use super::member::{Member, Own, Told, entry};
use super::{Directory, Id};
use crate::udp_mesh::pace::GAP;

/// Between two broadcasts while changes go on. After a pause the first gaps are shorter: each doubles the next.
pub const GAP_BUSY: Duration = Duration::from_millis(100);
/// After a pause so long a broadcast counts as the first.
const PAUSE: Duration = Duration::from_secs(1);
/// And for each member: a broadcast costs a datagram for each.
const GAP_EACH: Duration = Duration::from_micros(25);
/// Steps that are kept. Who is further behind gets the whole.
const MAX_JOURNAL: usize = 32_768;
/// Bytes of a part or of changes: a few of these fit the buffer of a receiver that is not looking.
const MAX_PART: usize = 32_768;
/// Who has not said that it got what was sent so long ago gets it again.
const REPEAT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
enum Step {
    Came(Option<Letter>, SocketAddr, Option<Own>),
    Went(SocketAddr),
}

impl Step {
    fn change(&self) -> Change<'_> {
        match self {
            Self::Came(letter, addr, own) => Change::Came(entry(*letter, *addr, own.as_ref())),
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

/// Bytes of an entry or a step, at most: tag, letter, address, form, and of a name with its key what that has.
fn entry_len(name: Option<&str>) -> usize {
    1 + 1 + 19 + 1 + name.map_or(0, |name| KEY_LEN + 1 + name.len())
}

type Bytes = Arc<[u8]>;

#[derive(Debug)]
pub(super) struct Feed {
    version: u64,
    /// The last steps; the last of them leads to `version`.
    journal: VecDeque<Step>,
    /// Old peers are to be told again.
    old: bool,
    due: Option<Duration>,
    last: Option<Duration>,
    /// From the last broadcast to the next.
    gap: Duration,
    agenda: BTreeSet<(Duration, Id)>,
    directory: Option<Bytes>,
    parts: Option<(u64, Arc<[Bytes]>)>,
    /// From a version: the datagram and the version it leads to.
    changes: BTreeMap<u64, (Bytes, u64)>,
}

impl Feed {
    pub(super) const fn new(version: u64) -> Self {
        Self {
            version,
            journal: VecDeque::new(),
            old: false,
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
        self.step(Step::Came(member.letter, member.addr, member.own.clone()), member.letter.is_some());
    }

    pub(super) fn went(&mut self, member: &Member) {
        self.step(Step::Went(member.addr), member.letter.is_some());
    }

    fn step(&mut self, step: Step, old: bool) {
        self.version += 1;
        self.journal.push_back(step);
        if self.journal.len() > MAX_JOURNAL {
            self.journal.pop_front();
        }
        self.changes.clear();
        self.old |= old;
        if old {
            self.directory = None;
        }
    }

    /// A broadcast is wanted: now if the last is long past.
    pub(super) fn mark(&mut self, now: Duration, members: usize) {
        let gap = self.gap.max(GAP_EACH.saturating_mul(u32::try_from(members).unwrap_or(u32::MAX)));
        let due = self.last.map_or(now, |last| now.max(last + gap));
        self.due = self.due.or(Some(due));
    }

    /// The same, for old peers even if nothing changed.
    pub(super) fn mark_old(&mut self, now: Duration, members: usize) {
        self.old = true;
        self.mark(now, members);
    }

    /// A member of the extended form says what it has. What it lost on the way it gets again.
    pub(super) fn resend(&mut self, now: Duration, id: Id, member: &mut Member, has: u64) {
        let Told::Version(told) = member.told else { return };
        if has >= told || member.queued || now < member.ready + REPEAT {
            return;
        }
        member.told = if self.reaches(has) { Told::Version(has) } else { Told::Nothing };
        self.queue(now, id, member);
    }

    /// Whether the journal leads on from a version.
    fn reaches(&self, version: u64) -> bool {
        let back = u64::try_from(self.journal.len()).unwrap_or(u64::MAX);
        version <= self.version && version >= self.version.saturating_sub(back)
    }

    fn queue(&mut self, now: Duration, id: Id, member: &mut Member) {
        if !member.queued {
            member.queued = true;
            self.agenda.insert((now.max(member.ready), id));
        }
    }

    pub(super) fn wake(&self) -> Option<Duration> {
        let first = self.agenda.first().map(|(at, _)| *at);
        first.into_iter().chain(self.due).min()
    }

    /// Changes from a version on, as many as fit a datagram.
    fn changes(&mut self, from: u64) -> (Bytes, u64) {
        if let Some((bytes, to)) = self.changes.get(&from) {
            return (Arc::clone(bytes), *to);
        }
        let behind = usize::try_from(self.version - from).unwrap_or(usize::MAX);
        let start = self.journal.len().saturating_sub(behind);
        let mut room = MAX_PART;
        let fits = |step: &&Step| {
            let left = room.checked_sub(step.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let steps: Vec<_> = self.journal.range(start..).take_while(fits).map(Step::change).collect();
        let (mut out, count) = (Vec::new(), u64::try_from(steps.len()).unwrap_or(u64::MAX));
        let encoded = encode_changes(from, steps, &mut out);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let made: (Bytes, u64) = (out.into(), from + count);
        self.changes.insert(from, made.clone());
        made
    }
}

fn entries<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<Entry<'a>> {
    members.map(|m| entry(m.letter, m.addr, m.own.as_ref())).collect()
}

impl Directory {
    /// The next datagram whose time has come, and for whom.
    pub fn next_datagram(&mut self, now: Duration) -> Option<(SocketAddr, Arc<[u8]>)> {
        if self.feed.due.is_some_and(|due| due <= now) {
            self.begin_broadcast(now);
        }
        loop {
            let (at, id) = *self.feed.agenda.first().filter(|(at, _)| *at <= now)?;
            self.feed.agenda.remove(&(at, id));
            if let Some(datagram) = self.datagram_for(now, id) {
                return Some(datagram);
            }
        }
    }

    fn begin_broadcast(&mut self, now: Duration) {
        let feed = &mut self.feed;
        let paused = feed.last.is_none_or(|last| now.saturating_sub(last) > PAUSE);
        feed.gap = if paused { GAP } else { GAP_BUSY.min(feed.gap.saturating_mul(2)) };
        (feed.due, feed.last) = (None, Some(now));
        let old = std::mem::take(&mut feed.old);
        for (id, member) in self.members.iter_mut().filter(|(_, member)| !member.ours) {
            let behind = match (&member.own, &member.told) {
                (None, _) => old,
                (Some(_), Told::Version(told)) => *told < feed.version,
                (Some(_), Told::Nothing) => true,
                (Some(_), Told::Parts { .. }) => false,
            };
            if behind {
                feed.queue(now, *id, member);
            }
        }
    }

    fn datagram_for(&mut self, now: Duration, id: Id) -> Option<(SocketAddr, Arc<[u8]>)> {
        let member = self.members.get(&id)?;
        let (addr, told, is_old) = (member.addr, member.told.clone(), member.own.is_none());
        let (bytes, told) = if is_old {
            (self.directory(), Told::Version(self.feed.version))
        } else {
            let told = match told {
                Told::Version(version) if !self.feed.reaches(version) => Told::Nothing,
                told => told,
            };
            match told {
                Told::Version(version) if version == self.feed.version => {
                    self.members.get_mut(&id)?.queued = false;
                    return None;
                }
                Told::Version(version) => {
                    let (bytes, version) = self.feed.changes(version);
                    (bytes, Told::Version(version))
                }
                Told::Parts { version, parts, next } => part(version, parts, next)?,
                Told::Nothing => {
                    let (version, parts) = self.parts();
                    part(version, parts, 0)?
                }
            }
        };
        let version = self.feed.version;
        let member = self.members.get_mut(&id)?;
        (member.told, member.queued, member.ready) = (told, false, now + GAP);
        let more = member.own.is_some() && !matches!(member.told, Told::Version(told) if told == version);
        if more {
            self.feed.queue(now, id, member);
        }
        Some((addr, bytes))
    }

    /// What old peers are told: everyone who has a letter.
    fn directory(&mut self) -> Arc<[u8]> {
        if let Some(bytes) = &self.feed.directory {
            return Arc::clone(bytes);
        }
        let mut out = Vec::new();
        let listed = self.letters.iter().filter_map(|(letter, id)| Some((*letter, self.members.get(id)?.addr.port())));
        let encoded = encode_directory(listed, &mut out);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let bytes: Arc<[u8]> = out.into();
        self.feed.directory = Some(Arc::clone(&bytes));
        bytes
    }

    /// The whole directory of this version, in parts.
    fn parts(&mut self) -> (u64, Arc<[Bytes]>) {
        if let Some((version, parts)) = self.feed.parts.as_ref().filter(|(version, _)| self.feed.reaches(*version)) {
            // Changes since then are shorter than a new whole, unless there are very many.
            if self.feed.version - version <= u64::try_from(self.members.len() / 4).unwrap_or(0) {
                return (*version, Arc::clone(parts));
            }
        }
        let (all, version) = (entries(self.members.values()), self.feed.version);
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let (mut parts, mut offset) = (Vec::new(), 0);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let mut room = MAX_PART;
            let fits = |entry: &&Entry<'_>| {
                let left = room.checked_sub(entry_len(entry.identity.map(|identity| identity.name)));
                room = left.unwrap_or(0);
                left.is_some()
            };
            let (chunk, after) = rest.split_at(rest.iter().take_while(fits).count());
            let mut out = Vec::new();
            let encoded = encode_part(version, total, offset, chunk.iter().copied(), &mut out);
            debug_assert!(encoded.is_ok(), "{encoded:?}");
            parts.push(out.into());
            offset += u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            rest = after;
        }
        let parts: Arc<[Bytes]> = parts.into();
        self.feed.parts = Some((version, Arc::clone(&parts)));
        (version, parts)
    }
}

/// A part, and what is known to whoever got it.
fn part(version: u64, parts: Arc<[Bytes]>, at: usize) -> Option<(Bytes, Told)> {
    let bytes = Arc::clone(parts.get(at)?);
    let next = at + 1;
    let told = if next >= parts.len() { Told::Version(version) } else { Told::Parts { version, parts, next } };
    Some((bytes, told))
}
