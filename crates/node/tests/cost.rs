//! What a member's bundles take on the disk is what the engine charges it with (docs/protocol.md, P-G1), whatever their size.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rumormill_gossip::cost;
use rumormill_store::{BundleRow, Durability, Record, SqliteStore, Store};
use rumormill_wire::native::{BundleBuilder, BundleView, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq, Signature};

/// What is charged in each case.
const CHARGED: usize = 8 << 20;
/// Incarnations that write in turn.
const ORIGINS: u64 = 32;
/// Where a row is a little over whole pages the store leaves up to an eighth of one besides.
const MOST: f64 = 1.13;
/// Bundles in a commit.
const GROUP: usize = 64;

/// The bundles of one member, whose clocks are anywhere: so entries in indexes stand anywhere too.
struct Member {
    ends: BTreeMap<u64, (Seq, Digest, u64)>,
    random: StdRng,
}

impl Member {
    /// A bundle of one message with a body of so many bytes, or of two where one cannot have as many.
    fn bundle(&mut self, incarnation: u64, len: usize) -> BundleRow {
        let origin = Origin { node: NodeId([7; 32]), incarnation: Incarnation(incarnation) };
        let (next, digest, clock) = self.ends.get(&incarnation).copied().unwrap_or((Seq::FIRST, Digest::ZERO, 1 << 60));
        let mut builder = BundleBuilder::new(origin, next, digest);
        let clock = clock + self.random.random_range(1..1 << 32);
        let bodies = if len > 32_768 { vec![len / 2, len - len / 2] } else { vec![len] };
        for (n, len) in (0..).zip(bodies) {
            builder.push(Clock(clock + n), MessageKind::CHAT, "", &vec![b'x'; len]).unwrap();
        }
        let bytes = Bytes::from(builder.seal(Signature([1; 64])));
        let view = BundleView::parse(&bytes).unwrap();
        let body = blake3::hash(view.message_bytes());
        let digest = blake3::hash(&[view.header_bytes(), body.as_bytes()].concat());
        self.ends.insert(incarnation, (view.header().next(), Digest(*digest.as_bytes()), clock + 1));
        BundleRow { bytes, received_us: clock }
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// What bundles with bodies of these sizes, in turn, take on the disk, as a part of what they are charged with.
fn taken(bodies: &[usize]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let mut member = Member { ends: BTreeMap::new(), random: StdRng::seed_from_u64(5) };
    let mut store = SqliteStore::open(&path, Durability::Normal, 0).unwrap();
    store.recover().unwrap();
    let (mut charged, mut turn) = (0, 0);
    while charged < CHARGED {
        let mut group = Vec::new();
        for _ in 0..GROUP {
            let row = member.bundle(turn as u64 % ORIGINS, bodies[turn % bodies.len()]);
            charged += cost::kept(row.bytes.len());
            turn += 1;
            group.push(Record::Bundle(row));
        }
        store.commit(&group).unwrap();
    }
    store.close().unwrap();
    size(&path) as f64 / charged as f64
}

#[test]
fn what_bundles_take_on_the_disk_is_what_they_are_charged_with() {
    for body in
        [0, 1, 150, 600, 1_000, 2_000, 2_600, 3_900, 4_200, 6_000, 8_000, 8_300, 12_200, 20_000, 41_000, 62_000, 65_300]
    {
        let part = taken(&[body]);
        println!("{body}: {part:.3}");
        assert!((0.90..=MOST).contains(&part), "bodies of {body} bytes take {part:.3} of what they are charged with");
    }
    // The worst mix leaves pages half empty.
    let part = taken(&[600, 7_400]);
    println!("the worst mix: {part:.3}");
    assert!(part <= 2.0, "{part}");
}
