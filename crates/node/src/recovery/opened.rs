//! The store, opened and judged: whether it is this node's, and whether our chain in it is an old one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rumormill_store::{Kind, OpenConfig, Record, Recovered as Stored, Store};
use rumormill_wire::{NetworkId, Origin};

use super::binding;
use crate::config::{NodeConfig, StoreKind};
use crate::files::STORE_FILE;
use crate::keeper::{self, Keeper, Mark, Verdict};
use crate::start_error::StartError;

/// A store that is open, and known to be ours; nothing was written to it yet.
pub(super) struct Opened {
    pub(super) store: Box<dyn Store>,
    pub(super) stored: Stored,
    /// Of a store on disk.
    pub(super) file: Option<PathBuf>,
    /// What stands beside the file.
    pub(super) mark: Option<Result<Mark, ()>>,
    /// Our chain there is older than what was written once, or may be.
    pub(super) is_old: bool,
}

impl Opened {
    pub(super) fn open(config: &NodeConfig, node: Origin, network: NetworkId) -> Result<Self, StartError> {
        let file = config.state.as_ref().filter(|_| config.store == StoreKind::Sqlite).map(|dir| dir.join(STORE_FILE));
        let kind = file.clone().map_or(Kind::Memory, |path| Kind::Sqlite { path });
        if let Some(state) = &config.state {
            crate::files::state_dir(state).map_err(StartError::io("use the directory", state.display()))?;
        }
        let mark = file.as_deref().map(|file| known(config, file)).transpose()?.flatten();
        let open = OpenConfig { kind, durability: config.durability, max_bytes: config.store_max };
        let mut store = rumormill_store::open(&open)?;
        let stored = store.recover()?;
        for damage in &stored.damage {
            tracing::warn!("{damage}");
        }
        let is_old = match &file {
            Some(file) => is_ours(config, &stored, (mark, file), (node, network)).inspect_err(|_| {
                // It stays as it is, for whom it belongs to.
                let _ = store.close();
            })?,
            None => false,
        };
        Ok(Self { store, stored, file, mark, is_old })
    }

    /// Marks a store on disk as opened once more, together with what is to be `first` in it, of which nothing is left then.
    pub(super) fn mark_life(
        &mut self,
        config: &NodeConfig,
        node: Origin,
        network: NetworkId,
        first: &mut Vec<Record>,
    ) -> Result<Option<Arc<Keeper>>, StartError> {
        let (Some(file), Some(state)) = (&self.file, &config.state) else { return Ok(None) };
        let io = || StartError::io("write the mark in", state.display());
        let (record, mark) = keeper::next_life(self.mark, &self.stored, node).map_err(io())?;
        first.extend([record, binding::record(network)]);
        // Together, and before the mark: after a crash in between the store is ahead of its mark, not behind.
        self.store.commit(&std::mem::take(first))?;
        Ok(Some(Arc::new(Keeper::begin(state, file, mark).map_err(io())?)))
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
