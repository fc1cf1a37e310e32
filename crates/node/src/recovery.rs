//! The store, opened: what it knows goes to the engine, and it is decided under which incarnation the node writes.

mod binding;
mod life;
mod opened;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use rumormill_gossip::{Read, Recovered, RecoveredChain};
use rumormill_store::{Reader, Record, Recovered as Stored, Writer};
use rumormill_wire::{NetworkId, Origin};

use crate::check::evidence_of;
use crate::config::NodeConfig;
use crate::disk::{Disk, Writing};
use crate::driver::incarnation_record;
use crate::incarnation::Incarnations;
use crate::keeper::Keeper;
use crate::proofs::Sorted;
use crate::start_error::StartError;
use life::Life;
use opened::Opened;

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
        let mut opened = Opened::open(config, node, network)?;
        let Life { incarnation, incarnations, goes_on, fresh } = Life::begin(config, home, node, &opened)?;
        let mut meta = if goes_on { Vec::new() } else { vec![incarnation_record(incarnation)] };
        let keeper = opened.mark_life(config, node, network, &mut meta)?;
        let Opened { store, stored, file, .. } = opened;
        let lists = stored.revocations.clone();
        let Sorted { proofs, useless: useless_proofs } = Sorted::of(&stored);
        let recovered = Recovered { proofs, ..recovered(stored, Origin { incarnation, ..node }) };
        let (reader, pages) = (store.reader()?, store.reader()?);
        let writing = if file.is_none() {
            Writing::Here(store)
        } else {
            Writing::Thread(Writer::start(store).map_err(StartError::io("start", "the store's thread"))?)
        };
        let (disk, reads) = Disk::new(writing, pages, config.limits.links);
        Ok(Self { disk, reads, reader, recovered, lists, incarnations, meta, keeper, useless_proofs, fresh })
    }
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
