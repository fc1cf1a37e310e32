//! The store, opened: what it knows goes to the engine, and it is decided under which incarnation the node writes.

mod binding;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use rumormill_gossip::{Read, Recovered, RecoveredChain};
use rumormill_store::{Damage, Kind, OpenConfig, Reader, Record, Recovered as Stored, Writer};
use rumormill_wire::{Incarnation, NetworkId, Origin};

use crate::check::evidence_of;
use crate::config::{Durability, NodeConfig, StoreKind};
use crate::disk::{Disk, Writing};
use crate::driver::{INCARNATION_KEY, incarnation_record};
use crate::files::STORE_FILE;
use crate::incarnation::Incarnations;
use crate::keeper::{self, Keeper, Mark, Verdict};
use crate::proofs::Sorted;
use crate::start_error::StartError;

/// A store and what came out of it.
pub(crate) struct Recovery {
    pub(crate) disk: Disk,
    pub(crate) reads: Receiver<Read>,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) recovered: Recovered,
    /// Parts of the revocation list, to be checked: the store is only a file.
    pub(crate) lists: Vec<Bytes>,
    pub(crate) incarnations: Option<Incarnations>,
    /// To be committed before anything else.
    pub(crate) meta: Vec<Record>,
    /// What is beside a store on disk.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Origins about which the store has a proof that is of no use.
    pub(crate) useless_proofs: Vec<Origin>,
    /// The incarnation is certain to be new, so neighbours need not be asked about it.
    pub(crate) fresh: bool,
}

impl Recovery {
    /// Opens the store. Waits for the disk.
    pub(crate) fn open(
        config: &NodeConfig,
        home: Option<&Path>,
        node: Origin,
        network: NetworkId,
    ) -> Result<Self, StartError> {
        let kind = match (config.store, &config.state) {
            (StoreKind::Sqlite, Some(state)) => Kind::Sqlite { path: state.join(STORE_FILE) },
            _ => Kind::Memory,
        };
        let in_memory = kind == Kind::Memory;
        let durability = match config.durability {
            Durability::Full => rumormill_store::Durability::Full,
            Durability::Normal => rumormill_store::Durability::Normal,
        };
        if let Some(state) = &config.state {
            crate::files::state_dir(state).map_err(StartError::io("use the directory", state.display()))?;
        }
        let file = if let Kind::Sqlite { path } = &kind { Some(path.clone()) } else { None };
        let mark = file.as_deref().map(|file| known(config, file)).transpose()?.flatten();
        let mut store = rumormill_store::open(&OpenConfig { kind, durability, max_bytes: config.store_max })?;
        let stored = store.recover()?;
        for damage in &stored.damage {
            tracing::warn!("{damage}");
        }
        let old = match &file {
            Some(file) => is_ours(config, &stored, (mark, file), (node, network)).inspect_err(|_| {
                // It stays as it is, for whom it belongs to.
                let _ = store.close();
            })?,
            None => false,
        };
        let mut incarnations = incarnations(config, home, mark)?;
        // In the home of a CA the file goes with the key: without it the key was never used. A state directory can be lost alone.
        let remembers = incarnations.as_ref().is_some_and(|file| home.is_some() || file.is_marked());
        let kept = incarnation(&stored, node, config.durability).filter(|_| !old && !config.restored);
        let incarnation = match (kept, &mut incarnations) {
            (Some(kept), _) => kept,
            (None, Some(file)) => fresh(&stored, node, file)?,
            (None, None) => Incarnation(config.wall.now_s()),
        };
        let certain = kept.is_none() && remembers;
        let lists = stored.revocations.clone();
        let mut first = if kept.is_some() { Vec::new() } else { vec![incarnation_record(incarnation)] };
        let keeper = match (&file, &config.state) {
            (Some(file), Some(state)) => {
                let io = || StartError::io("write the mark in", state.display());
                let (record, mark) = keeper::next_life(mark, &stored, node).map_err(io())?;
                first.extend([record, binding::record(network)]);
                // Together, and before the mark: after a crash in between the store is ahead of its mark, not behind.
                store.commit(&std::mem::take(&mut first))?;
                Some(Arc::new(Keeper::begin(state, file, mark).map_err(io())?))
            }
            _ => None,
        };
        let Sorted { proofs, useless: useless_proofs } = Sorted::of(&stored);
        let recovered = Recovered { proofs, ..recovered(stored, Origin { incarnation, ..node }) };
        let (reader, pages) = (store.reader()?, store.reader()?);
        let writing = if in_memory {
            Writing::Here(store)
        } else {
            Writing::Thread(Writer::start(store).map_err(StartError::io("start", "the store's thread"))?)
        };
        let (disk, reads) = Disk::new(writing, pages, config.limits.links);
        Ok(Self {
            disk,
            reads,
            reader,
            recovered,
            lists,
            incarnations,
            meta: first,
            fresh: certain,
            keeper,
            useless_proofs,
        })
    }
}

/// The mark of a store. If that is gone, and nobody said that it should be, nothing is begun in its place.
fn known(config: &NodeConfig, file: &Path) -> Result<Option<Result<Mark, ()>>, StartError> {
    let Some(state) = &config.state else { return Ok(None) };
    let mark = Mark::read(state).map_err(StartError::io("read the mark in", state.display()))?;
    match fs::symlink_metadata(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound && mark.is_some() && !config.restored => {
            Err(StartError::StoreGone(file.to_owned()))
        }
        _ => Ok(mark),
    }
}

/// Where incarnations are kept: in the home of a CA of ours, else in the state directory.
fn incarnations(
    config: &NodeConfig,
    home: Option<&Path>,
    mark: Option<Result<Mark, ()>>,
) -> Result<Option<Incarnations>, StartError> {
    let Some(dir) = home.or(config.state.as_deref()).map(|dir| dir.join("incarnations")) else { return Ok(None) };
    let opened = Incarnations::open(&dir, &config.name, config.wall.clone());
    let mut opened = opened.map_err(StartError::io("keep the incarnation in", dir.display()))?;
    if let Some(named) = keeper::named(mark) {
        opened.note(named);
    }
    Ok(Some(opened))
}

/// Sees that a store is of this network and the one that its mark names. Says whether our chain there is certainly older than what
/// was written once, or may be, since nothing says how far it had come.
fn is_ours(
    config: &NodeConfig,
    stored: &Stored,
    (mark, file): (Option<Result<Mark, ()>>, &Path),
    (node, network): (Origin, NetworkId),
) -> Result<bool, StartError> {
    binding::check(stored, file, network)?;
    match keeper::judge(mark, stored, node) {
        Verdict::Other if !config.restored => Err(StartError::StoreReplaced(file.to_owned())),
        Verdict::Behind => {
            let store = file.display();
            tracing::warn!(%store, "the store is older than the mark beside it: an old copy, or one that was damaged; our messages go on under a new incarnation");
            Ok(true)
        }
        Verdict::OtherKey => {
            let store = file.display();
            tracing::info!(%store, "the store was used with another key before: what was written with that one stays, and our messages begin under a new incarnation");
            Ok(true)
        }
        Verdict::Fits | Verdict::Other => Ok(false),
    }
}

/// The highest incarnation of ours that the store knows.
fn highest(stored: &Stored, node: Origin) -> Option<Incarnation> {
    let own = stored.chains.iter().filter(|chain| chain.origin.node == node.node).map(|chain| chain.origin.incarnation);
    let named = stored.meta(INCARNATION_KEY).and_then(|value| value.as_ref().try_into().ok());
    own.chain(named.map(|bytes| Incarnation(u64::from_be_bytes(bytes)))).max()
}

/// The incarnation to go on under, or `None` for a new one: the store is new, it was damaged, or a power failure may
/// have taken what others have seen already (ARCHITECTURE.md, "Decisions that shape the rest").
fn incarnation(stored: &Stored, node: Origin, durability: Durability) -> Option<Incarnation> {
    let lost_power = durability == Durability::Normal && !stored.clean && stored.boot_changed;
    let cut = stored.damage.iter().any(|damage| match damage {
        // Of what was in the damaged part of a file nothing is known, so it may have been ours.
        Damage::File { .. } => true,
        Damage::Chain { origin, .. } => origin.node == node.node,
    });
    if lost_power || cut { None } else { highest(stored, node) }
}

fn fresh(stored: &Stored, node: Origin, file: &mut Incarnations) -> Result<Incarnation, StartError> {
    if let Some(highest) = highest(stored, node) {
        file.note(highest);
    }
    file.fresh().map_err(StartError::io("keep", "the incarnation"))
}

fn recovered(stored: Stored, me: Origin) -> Recovered {
    let chains = stored.chains.iter().map(|chain| RecoveredChain {
        head: chain.head_signed,
        last_clock: chain.last_clock,
        kept: chain.kept,
    });
    let members = stored.members.into_iter().map(|(node, bytes)| (node, evidence_of(&bytes))).collect();
    Recovered { chains: chains.collect(), bytes: stored.bytes, members, ..Recovered::empty(me) }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::{NodeId, Seq};

    use super::*;

    fn stored(clean: bool, boot_changed: bool, damage: Vec<Damage>) -> Stored {
        let value = Bytes::copy_from_slice(&77_u64.to_be_bytes());
        Stored { clean, boot_changed, damage, meta: vec![(INCARNATION_KEY.to_owned(), value)], ..Stored::default() }
    }

    const ME: Origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(0) };

    #[test]
    fn a_store_in_good_order_goes_on_under_its_incarnation() {
        for (clean, boot) in [(true, false), (true, true), (false, false)] {
            let kept = incarnation(&stored(clean, boot, Vec::new()), ME, Durability::Normal);
            assert_eq!(kept, Some(Incarnation(77)), "clean {clean}, boot changed {boot}");
        }
        let full = incarnation(&stored(false, true, Vec::new()), ME, Durability::Full);
        assert_eq!(full, Some(Incarnation(77)), "with durability full a commit outlives the power");
    }

    #[test]
    fn lost_power_and_damage_begin_a_new_one() {
        assert_eq!(incarnation(&stored(false, true, Vec::new()), ME, Durability::Normal), None);
        let cut = |node| vec![Damage::Chain { origin: Origin { node, ..ME }, kept: Seq(3) }];
        assert_eq!(incarnation(&stored(true, false, cut(ME.node)), ME, Durability::Full), None);
        let other = incarnation(&stored(true, false, cut(NodeId([2; 32]))), ME, Durability::Full);
        assert_eq!(other, Some(Incarnation(77)), "another's chain is fetched again and harms not ours");
        let file = Damage::File { path: "a".into(), reason: "b".into(), quarantine: "c".into() };
        assert_eq!(incarnation(&stored(true, false, vec![file]), ME, Durability::Full), None);
        assert_eq!(incarnation(&Stored::default(), ME, Durability::Full), None, "a new store");
    }

    #[test]
    fn a_new_incarnation_is_above_all_that_the_store_knows() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = Incarnations::open(dir.path(), "a", crate::clock::Wall::default()).unwrap();
        let far = crate::clock::wall_s() + 1_000;
        let value = Bytes::copy_from_slice(&far.to_be_bytes());
        let stored = Stored { meta: vec![(INCARNATION_KEY.to_owned(), value)], ..Stored::default() };
        assert_eq!(fresh(&stored, ME, &mut file).unwrap(), Incarnation(far + 1));
    }
}
