//! Chains to store, and what the log of them must look like.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;

use bytes::Bytes;
use rumormill_store::{BundleRow, Durability, Entry, Kind, OpenConfig, OrderKey, Reader, Record, Store};
use rumormill_wire::native::{BundleBuilder, BundleView, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq, Signature};

pub fn origin(n: u8) -> Origin {
    Origin { node: NodeId([n; 32]), incarnation: Incarnation(1_700_000_000) }
}

/// Writes the bundles of one origin.
#[derive(Debug, Clone)]
pub struct Chain {
    pub origin: Origin,
    pub next: Seq,
    pub digest: Digest,
}

impl Chain {
    pub fn new(n: u8) -> Self {
        Self { origin: origin(n), next: Seq::FIRST, digest: Digest::ZERO }
    }

    /// The next bundle: one message a clock, each with a body of so many bytes that names its place.
    pub fn bundle(&mut self, clocks: &[u64], len: usize) -> BundleRow {
        let mut builder = BundleBuilder::new(self.origin, self.next, self.digest);
        for (n, clock) in (0..).zip(clocks) {
            let mut body = format!("{} {} ", self.origin.node.0[0], self.next.0 + n).into_bytes();
            body.resize(len.max(body.len()), b'x');
            builder.push(Clock(*clock), MessageKind::CHAT, "room", &body).unwrap();
        }
        let bytes = Bytes::from(builder.seal(Signature([self.origin.node.0[0]; 64])));
        let view = BundleView::parse(&bytes).unwrap();
        let body = blake3::hash(view.message_bytes());
        let digest = blake3::hash(&[view.header_bytes(), body.as_bytes()].concat());
        (self.next, self.digest) = (view.header().next(), Digest(*digest.as_bytes()));
        BundleRow { bytes, received_us: clocks[0].wrapping_add(5) }
    }
}

/// A few chains whose bundles mingle, of many sizes; in an order in which they can be committed.
pub fn mingled(bundles: u64) -> Vec<BundleRow> {
    let mut chains = [Chain::new(1), Chain::new(2), Chain::new(3)];
    let mut out = Vec::new();
    for n in 0..bundles {
        let chain = &mut chains[usize::try_from(n % 3).unwrap()];
        let clocks: Vec<u64> = (0..=n % 4).map(|k| 1_000 + n * 10 + k * 7).collect();
        let len = [40, 300, 3_000, 12_000][usize::try_from(n % 4).unwrap()];
        out.push(chain.bundle(&clocks, len));
    }
    out
}

pub fn commit(store: &mut dyn Store, rows: &[BundleRow]) {
    let batch: Vec<Record> = rows.iter().cloned().map(Record::Bundle).collect();
    store.commit(&batch).unwrap();
}

/// All messages of these bundles in the one order.
pub fn sorted(rows: &[BundleRow]) -> Vec<Entry> {
    let mut all = Vec::new();
    for row in rows {
        let view = BundleView::parse(&row.bytes).unwrap();
        all.extend(view.messages().map(|m| Entry {
            key: OrderKey { clock: m.clock, origin: view.header().origin, seq: m.seq },
            kind: m.kind,
            room: m.room.to_owned(),
            body: m.body.to_vec(),
            received_us: row.received_us,
        }));
    }
    all.sort_by_key(|entry| entry.key);
    all
}

/// The whole log, in pages of so many.
pub fn log(reader: &mut dyn Reader, page: usize) -> Vec<Entry> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = reader.page(after, page).unwrap();
        let Some(last) = found.last() else { return all };
        after = Some(last.key);
        all.extend(found);
    }
}

/// A directory in memory where there is one: what these tests do is slow on a disk, and a disk adds nothing to them.
pub fn new_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn config(path: &Path) -> OpenConfig {
    OpenConfig { kind: Kind::Sqlite { path: path.to_owned() }, durability: Durability::Normal, max_bytes: 0 }
}

/// Opens a file that must open.
pub fn open(path: &Path) -> Box<dyn Store> {
    rumormill_store::open(&config(path)).unwrap()
}

/// Every bundle of an origin.
pub fn chain_of(reader: &mut dyn Reader, origin: Origin) -> Vec<BundleRow> {
    reader.range(origin, Seq::FIRST, Seq(u64::MAX), usize::MAX).unwrap()
}
