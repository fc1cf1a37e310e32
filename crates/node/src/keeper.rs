//! What is beside the store, so that a node knows its store again: a small file, the mark, that says which store it was, how
//! often it was opened, whose key it was used with, and how far that one's chain had come. An old copy put back is behind its mark, another store is not
//! the one it names, and one that is gone was there. The files themselves are looked at while the node runs.
//!
//! Where the whole state directory is put back the mark is as old as the store: then neighbours know, or `--restored` says so.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use rumormill_store::{Damage, Record, Recovered as Stored};
use rumormill_wire::{Incarnation, NodeId, Origin, Seq};

use crate::driver::Driver;
use crate::files::{MARK_FILE, write_private};
use crate::lock;

/// Under which name the store keeps what the mark has to agree with.
const KEY: &str = "store-mark";
/// A mark is no longer than this.
const MAX_MARK: u64 = 512;
const HEAD: &str = "rumormill store mark 2";
/// Of before marks said whose chain they tell of.
const HEAD_1: &str = "rumormill store mark 1";
/// How often the files are looked at, and the mark is brought up to date.
const PERIOD: Duration = Duration::from_secs(1);

/// Which store, and how far it had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// A random number of the store's.
    store: u128,
    /// How often it was opened.
    life: u64,
    /// With whose key it was used last; an older mark does not say.
    node: Option<NodeId>,
    /// Under which incarnation that one wrote last.
    incarnation: u64,
    /// The number after the last one that it wrote there.
    next: u64,
}

impl Mark {
    /// The mark of a state directory. One that cannot be understood is as good as one that says that the store is behind.
    pub(crate) fn read(state: &Path) -> io::Result<Option<Result<Self, ()>>> {
        use std::io::Read;
        let mut text = Vec::new();
        match File::open(state.join(MARK_FILE)) {
            Ok(file) => file.take(MAX_MARK).read_to_end(&mut text)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let text = String::from_utf8(text).unwrap_or_default();
        Ok(Some(Self::parse(&text).ok_or(())))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let head = lines.next()?;
        (head == HEAD || head == HEAD_1).then_some(())?;
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        let store = u128::from_str_radix(value("store")?, 16).ok()?;
        let life = value("life")?.parse().ok()?;
        let node = if head == HEAD { Some(value("node")?.parse().ok()?) } else { None };
        let incarnation = value("incarnation")?.parse().ok()?;
        let next = value("next")?.parse().ok()?;
        (lines.next()? == "end").then_some(Self { store, life, node, incarnation, next })
    }

    fn text(&self) -> String {
        let Self { store, life, node, incarnation, next } = self;
        let (head, whose) = node.map_or((HEAD_1, String::new()), |node| (HEAD, format!("node {node}\n")));
        format!("{head}\nstore {store:032x}\nlife {life}\n{whose}incarnation {incarnation}\nnext {next}\nend\n")
    }

    fn write(&self, state: &Path) -> io::Result<()> {
        write_private(&state.join(MARK_FILE), self.text().as_bytes())
    }

    /// What the store itself says.
    fn of(stored: &Stored, node: Origin) -> Self {
        let own = stored.chains.iter().rev().find(|chain| chain.origin.node == node.node);
        let (incarnation, next) = own.map_or((0, 0), |chain| (chain.origin.incarnation.0, chain.next.0));
        let value = stored.meta(KEY).map_or(&[][..], |value| &value[..]);
        let (store, life) = value.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let life = life.try_into().map_or(0, u64::from_be_bytes);
        Self { store: u128::from_be_bytes(*store), life, node: Some(node.node), incarnation, next }
    }

    fn record(&self) -> Record {
        let value = [&self.store.to_be_bytes()[..], &self.life.to_be_bytes()].concat();
        Record::Meta { key: KEY.to_owned(), value: Bytes::from(value) }
    }
}

/// What mark and store make of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The store is what it was, or there is nothing to compare it with.
    Fits,
    /// It is older than the mark.
    Behind,
    /// The store is another than the one that the mark names.
    Other,
    /// It was used with another key last: of ours the mark says nothing.
    OtherKey,
}

/// Compares a store with the mark beside it. Of a damaged one it is known that it is not what it was.
pub(crate) fn judge(mark: Option<Result<Mark, ()>>, stored: &Stored, node: Origin) -> Verdict {
    let Some(mark) = mark else { return Verdict::Fits };
    let damaged = stored.damage.iter().any(|damage| matches!(damage, Damage::File { .. }));
    let (Ok(mark), false) = (mark, damaged) else { return Verdict::Behind };
    let found = Mark::of(stored, node);
    if found.store != mark.store {
        return Verdict::Other;
    }
    let ours = mark.node.is_none_or(|whose| whose == node.node);
    let chain = ours && (found.incarnation, found.next) < (mark.incarnation, mark.next);
    if found.life < mark.life || chain {
        return Verdict::Behind;
    }
    if ours { Verdict::Fits } else { Verdict::OtherKey }
}

/// The next life of a store: what it is to keep, and the mark to be written once it does.
pub(crate) fn next_life(mark: Option<Result<Mark, ()>>, stored: &Stored, node: Origin) -> io::Result<(Record, Mark)> {
    let found = Mark::of(stored, node);
    let before = mark.and_then(Result::ok).map_or(0, |mark| mark.life);
    let store = if found.store == 0 { fresh_number()? } else { found.store };
    let next = Mark { store, life: found.life.max(before).saturating_add(1), ..found };
    Ok((next.record(), next))
}

fn fresh_number() -> io::Result<u128> {
    let mut random = StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)?;
    Ok(random.random_range(1..=u128::MAX))
}

/// A file that is open, by a handle that can only be looked at: closing another would take SQLite's locks away.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    open: File,
}

impl Seen {
    fn at(path: PathBuf) -> io::Result<Self> {
        let flags = i32::try_from(rustix::fs::OFlags::PATH.bits()).unwrap_or(0);
        let open = File::options().read(true).custom_flags(flags).open(&path)?;
        Ok(Self { path, open })
    }

    /// Whether it is still the one under its name.
    fn is_there(&self) -> io::Result<bool> {
        let id = |about: fs::Metadata| (about.dev(), about.ino());
        Ok(id(fs::metadata(&self.path)?) == id(self.open.metadata()?))
    }
}

/// Keeps the mark, and an eye on the store's files.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: PathBuf,
    mark: Mutex<Mark>,
    files: Vec<Seen>,
}

impl Keeper {
    /// Of a store that has just been opened; its next life is durable.
    pub(crate) fn begin(state: &Path, store: &Path, mark: Mark) -> io::Result<Self> {
        mark.write(state)?;
        let beside = ["", "-wal", "-lock"].map(|suffix| {
            let mut name = store.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        });
        let seen = beside.into_iter().filter_map(|path| Seen::at(path).ok());
        Ok(Self { state: state.to_owned(), mark: Mutex::new(mark), files: seen.collect() })
    }

    /// Our chain has come so far. Waits for the disk.
    pub(crate) fn note(&self, origin: Origin, next: Seq) {
        let mut mark = lock(&self.mark);
        let now = Mark { node: Some(origin.node), incarnation: origin.incarnation.0, next: next.0, ..*mark };
        if now == *mark {
            return;
        }
        match now.write(&self.state) {
            Ok(()) => *mark = now,
            // It is tried again a moment later; what is lost by then is only that an old copy is found.
            Err(why) => tracing::debug!(%why, "the mark beside the store could not be written"),
        }
    }

    /// Whether the open files are still those under their names.
    fn look(&self) -> Result<(), String> {
        for seen in &self.files {
            match seen.is_there() {
                Ok(true) => {}
                Ok(false) => return Err(format!("{} was replaced by another file", seen.path.display())),
                Err(why) if why.kind() == io::ErrorKind::NotFound => {
                    return Err(format!("{} was removed or renamed", seen.path.display()));
                }
                // What cannot be looked at now is not known to be gone.
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Runs until the node stops, or stops it.
pub(crate) async fn run(driver: Arc<Driver>, keeper: Arc<Keeper>) {
    let mut stopping = driver.stopping();
    let mut rounds = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
        }
        let (keep, own) = (Arc::clone(&keeper), driver.own_told());
        let keeper = Arc::clone(&keeper);
        let looked = tokio::task::spawn_blocking(move || {
            keeper.look()?;
            if let Some((origin, next)) = own {
                keeper.note(origin, next);
            }
            Ok::<_, String>(())
        });
        if let Ok(Err(why)) = looked.await {
            let next =
                "what was written since is lost; see what happened to it, put the store back or start with --restored";
            let gone = move || {
                driver.store_gone(&why, next);
                keep.put_log_aside();
            };
            let _ = tokio::task::spawn_blocking(gone).await;
            return;
        }
    }
}

/// Where our chain ended goes into the mark once the store is closed.
pub(crate) fn end(keeper: &Keeper, own: Option<(Origin, Seq)>) {
    if let Some((origin, next)) = own
        && keeper.look_at_state()
    {
        keeper.note(origin, next);
    }
}

impl Keeper {
    /// SQLite's log of a store that is gone must not meet another store under its name.
    fn put_log_aside(&self) {
        let [store, log, ..] = &self.files[..] else { return };
        let ours = |seen: &Seen| seen.is_there().unwrap_or(false);
        if ours(store) || !ours(log) {
            return;
        }
        let aside = log.path.with_extension("db-wal.gone");
        match fs::rename(&log.path, &aside) {
            Ok(()) => tracing::warn!(aside = %aside.display(), "the log of the store that is gone was put aside"),
            Err(why) => {
                tracing::warn!(%why, log = %log.path.display(), "remove this before another store is put there")
            }
        }
    }

    fn look_at_state(&self) -> bool {
        self.files.first().is_none_or(|seen| seen.is_there().unwrap_or(false))
    }
}

/// The incarnation that a mark names, so that none is used twice.
pub(crate) fn named(mark: Option<Result<Mark, ()>>) -> Option<Incarnation> {
    mark.and_then(Result::ok).map(|mark| Incarnation(mark.incarnation))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(0) };
    const MARK: Mark = Mark { store: 7, life: 3, node: Some(ME.node), incarnation: 0, next: 0 };

    fn stored(store: u128, life: u64) -> Stored {
        let Record::Meta { key, value } = (Mark { store, life, ..MARK }).record() else { panic!("a value") };
        Stored { meta: vec![(key, value)], ..Stored::default() }
    }

    #[test]
    fn a_mark_comes_back_as_it_was_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap(), None);
        let mark = Mark { store: u128::MAX - 5, life: 9, incarnation: 1_795_000_000, next: 12, ..MARK };
        for mark in [mark, Mark { node: None, ..mark }] {
            mark.write(dir.path()).unwrap();
            assert_eq!(Mark::read(dir.path()).unwrap(), Some(Ok(mark)));
            let text = mark.text();
            for cut in 0..text.len() - 1 {
                assert_eq!(Mark::parse(&text[..cut]), None, "cut at {cut}");
            }
        }
        let old = "rumormill store mark 1\nstore 7\nlife 3\nincarnation 5\nnext 2\nend\n";
        assert_eq!(Mark::parse(old), Some(Mark { node: None, incarnation: 5, next: 2, ..MARK }), "of an older version");
        fs::write(dir.path().join(MARK_FILE), b"\xff\xfe").unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap(), Some(Err(())));
    }

    #[test]
    fn a_store_behind_its_mark_and_another_one_are_told_apart() {
        assert_eq!(judge(None, &stored(7, 3), ME), Verdict::Fits, "of before there were marks");
        assert_eq!(judge(Some(Ok(MARK)), &stored(7, 3), ME), Verdict::Fits);
        assert_eq!(judge(Some(Ok(MARK)), &stored(7, 4), ME), Verdict::Fits, "the mark was not written any more");
        assert_eq!(judge(Some(Ok(MARK)), &stored(7, 2), ME), Verdict::Behind);
        assert_eq!(judge(Some(Err(())), &stored(7, 3), ME), Verdict::Behind, "a mark that says nothing");
        assert_eq!(judge(Some(Ok(MARK)), &stored(8, 3), ME), Verdict::Other);
        assert_eq!(judge(Some(Ok(MARK)), &Stored::default(), ME), Verdict::Other, "an empty one");
        let further = Mark { incarnation: 5, next: 2, ..MARK };
        assert_eq!(judge(Some(Ok(further)), &stored(7, 3), ME), Verdict::Behind, "our chain had come further");
        let nobodys = Mark { node: None, ..further };
        assert_eq!(judge(Some(Ok(nobodys)), &stored(7, 3), ME), Verdict::Behind, "it does not say whose had");
        let others = Mark { node: Some(NodeId([2; 32])), ..further };
        assert_eq!(judge(Some(Ok(others)), &stored(7, 3), ME), Verdict::OtherKey, "another's had");
        assert_eq!(judge(Some(Ok(others)), &stored(7, 2), ME), Verdict::Behind, "whoever's it was");
        let damage = vec![Damage::File { path: "a".into(), reason: "b".into(), quarantine: "c".into() }];
        assert_eq!(judge(Some(Ok(MARK)), &Stored { damage, ..Stored::default() }, ME), Verdict::Behind, "salvaged");
    }

    #[test]
    fn lives_are_counted_on_and_a_store_keeps_its_number() {
        let (_, first) = next_life(None, &Stored::default(), ME).unwrap();
        assert!(first.store != 0 && first.life == 1);
        let (_, next) = next_life(Some(Ok(Mark { life: 9, ..MARK })), &stored(7, 3), ME).unwrap();
        assert_eq!((next.store, next.life), (7, 10));
    }

    #[test]
    fn a_file_that_went_or_was_replaced_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("log.db");
        fs::write(&store, "a").unwrap();
        let keeper = Keeper::begin(dir.path(), &store, MARK).unwrap();
        keeper.look().unwrap();
        fs::rename(&store, dir.path().join("aside")).unwrap();
        assert!(keeper.look().unwrap_err().contains("removed"));
        fs::write(&store, "a").unwrap();
        assert!(keeper.look().unwrap_err().contains("replaced"));
    }
}
