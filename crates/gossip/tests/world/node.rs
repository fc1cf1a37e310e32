//! A node of the world: its engine, its disk, and what the tests count of it.

use super::*;

pub struct Node {
    pub engine: Engine,
    pub key: u8,
    pub disk: Disk,
    pub queue: Vec<Bytes>,
    pub appends: u64,
    pub alive: bool,
    pub events: Vec<Event>,
    pub closed: Vec<(LinkId, &'static str)>,
    pub unreleased: BTreeMap<LinkId, usize>,
    pub wire_bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// How many bundles the store still takes; then it is full for good.
    pub room: Option<u64>,
    pub(super) full: bool,
    pub(super) flushed: usize,
    /// Reads of the store for links, and for searches.
    pub reads: u64,
    /// Signatures that had to be checked.
    pub verifies: u64,
    pub(super) timer: Option<Timestamp>,
    pub(super) life: u64,
    pub(super) disk_free_at: u64,
}

impl World {
    fn wall_s(&self) -> u64 {
        (u64::try_from(WALL).unwrap() + self.now) / 1_000_000
    }

    fn boot(&mut self, key: u8, disk: Disk) -> Node {
        let signer = Key::new(key);
        let id = signer.id();
        let own = disk.bundles.keys().filter(|o| o.node == id).map(|o| o.incarnation).max();
        let me = Origin { node: id, incarnation: own.unwrap_or(Incarnation(self.wall_s())) };
        let recovered = Recovered {
            me,
            chains: disk.chains(),
            bytes: disk.bundles.values().flatten().map(|bundle| u64::try_from(bundle.len()).unwrap()).sum(),
            members: disk.members.clone(),
            proofs: disk.proofs.clone(),
            revocations: disk.revocations.clone(),
        };
        let rng = Box::new(StdRng::seed_from_u64(self.rng.random()));
        Node {
            engine: Engine::new(self.config.clone(), Box::new(signer), recovered, rng),
            key,
            disk,
            queue: Vec::new(),
            appends: 0,
            alive: true,
            events: Vec::new(),
            closed: Vec::new(),
            unreleased: BTreeMap::new(),
            wire_bytes: 0,
            frames: 0,
            room: None,
            full: false,
            flushed: 0,
            reads: 0,
            verifies: 0,
            timer: None,
            life: self.now,
            disk_free_at: 0,
        }
    }

    fn begin(&mut self, n: usize, ask: Ask) {
        let id = Key::new(self.nodes[n].key).id();
        self.give(n, Input::WallOffset(WALL));
        self.give(n, Input::Admit { node: id, evidence: certificate(id, "") });
        self.give(n, Input::Start(ask));
    }

    pub fn add(&mut self, key: u8, disk: Disk, neighbours: usize) -> usize {
        let node = self.boot(key, disk);
        self.nodes.push(node);
        let n = self.nodes.len() - 1;
        self.begin(n, ask(neighbours));
        n
    }

    /// The node dies: what was not committed is lost, links break.
    pub fn crash(&mut self, n: usize) {
        self.nodes[n].alive = false;
        self.nodes[n].queue.clear();
        let ends: Vec<_> = self.wires.keys().filter(|(node, _)| *node == n).copied().collect();
        for (node, link) in ends {
            self.cut(End { node, link });
        }
    }

    pub fn restart(&mut self, n: usize, neighbours: usize) {
        self.restart_asking(n, ask(neighbours));
    }

    pub fn restart_asking(&mut self, n: usize, ask: Ask) {
        let (key, disk) = (self.nodes[n].key, self.nodes[n].disk.clone());
        self.now += 1;
        self.nodes[n] = self.boot(key, disk);
        self.begin(n, ask);
    }
}

/// A node without neighbours waits for nobody here, so that worlds of one are quick.
const fn ask(neighbours: usize) -> Ask {
    if neighbours == 0 { Ask::Nobody } else { Ask::Neighbours(neighbours) }
}
