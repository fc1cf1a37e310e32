//! The nodes of a run.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rumormill_gossip::Dissemination;
use rumormill_node::config::{Durability, IdentitySource, Limits, Neighbour, NodeConfig, StoreKind};
use rumormill_node::{NodeHandle, start};

/// How long nodes have to link up.
const LINK_UP: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Clone)]
pub struct Setup {
    pub mode: String,
    pub nodes: usize,
    pub count: u64,
    store: StoreKind,
    durability: Durability,
    dissemination: Dissemination,
    topology: Topology,
}

/// Who dials whom.
#[derive(Clone, Copy)]
enum Topology {
    /// Each the one a quarter of its number: the floor's tree.
    Tree4,
    /// Each the one before, the last one the first too.
    Ring,
    /// The tree, and two more each.
    Mesh,
}

impl Setup {
    /// `None` if nothing was asked for.
    pub fn parse(words: &[String]) -> Result<Option<Self>, String> {
        const USAGE: &str = "mesh flood-one|flood-all|latency-one|latency-multi|late <nodes> <count> [--store sqlite|memory] \
             [--durability full|normal] [--dissemination tree|mongering] [--topology tree4|ring|mesh]";
        let (mut plain, mut flags) = (Vec::new(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(flag) => flags.push((flag, words.next().ok_or(USAGE)?.as_str())),
                None => plain.push(word.as_str()),
            }
        }
        let [mode, nodes, count] = plain[..] else {
            return if plain.is_empty() { Ok(None) } else { Err(USAGE.to_owned()) };
        };
        let modes = ["flood-one", "flood-all", "latency-one", "latency-multi", "late"];
        let nodes: usize = nodes.parse().ok().filter(|n| *n >= 2).ok_or("nodes: 2 or more")?;
        let mut setup = Self {
            mode: modes.iter().find(|known| **known == mode).ok_or(USAGE)?.to_string(),
            nodes,
            count: count.parse().map_err(|_| "count: a number")?,
            store: StoreKind::Sqlite,
            durability: Durability::Normal,
            dissemination: Dissemination::Eager,
            topology: Topology::Tree4,
        };
        for (flag, value) in flags {
            match (flag, value) {
                ("store", "sqlite") => setup.store = StoreKind::Sqlite,
                ("store", "memory") => setup.store = StoreKind::Memory,
                ("durability", "full") => setup.durability = Durability::Full,
                ("durability", "normal") => setup.durability = Durability::Normal,
                ("dissemination", "tree") => setup.dissemination = Dissemination::Eager,
                ("dissemination", "mongering") => setup.dissemination = Dissemination::Mongering,
                ("topology", "tree4") => setup.topology = Topology::Tree4,
                ("topology", "ring") => setup.topology = Topology::Ring,
                ("topology", "mesh") => setup.topology = Topology::Mesh,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(Some(setup))
    }

    /// Whom node `n` dials.
    fn dials(&self, n: usize) -> Vec<usize> {
        let mut dials = match self.topology {
            _ if n == 0 => Vec::new(),
            Topology::Tree4 => vec![(n - 1) / 4],
            Topology::Ring if n == self.nodes - 1 => vec![n - 1, 0],
            Topology::Ring => vec![n - 1],
            Topology::Mesh => vec![(n - 1) / 4, n * 7 % n.max(1), n / 2],
        };
        dials.retain(|other| *other < n);
        dials.sort_unstable();
        dials.dedup();
        dials
    }
}

pub struct Net {
    setup: Setup,
    dir: tempfile::TempDir,
    pub nodes: Vec<NodeHandle>,
}

impl Net {
    /// Starts the nodes, all but the last for a run of `late`, and waits until they are linked and in sync.
    pub async fn start(setup: &Setup) -> Self {
        let dir = tempfile::tempdir().expect("a directory for this run");
        let mut net = Self { setup: setup.clone(), dir, nodes: Vec::new() };
        let first = if setup.mode == "late" { setup.nodes - 1 } else { setup.nodes };
        while net.nodes.len() < first {
            net.add().await;
        }
        let links: usize = (0..first).map(|n| setup.dials(n).len()).sum();
        let begun = Instant::now();
        loop {
            let peers: Vec<_> = net.nodes.iter().flat_map(NodeHandle::peers).collect();
            if peers.len() == links * 2 && peers.iter().all(|peer| peer.in_sync) {
                return net;
            }
            assert!(begun.elapsed() < LINK_UP, "only {} ends of {links} links are up", peers.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts one more.
    pub async fn add(&mut self) {
        let n = self.nodes.len();
        let neighbour = |other: usize| -> Neighbour {
            let addr: SocketAddr = self.nodes[other].local_addr();
            Neighbour { name: Some(format!("n{other}")), addr }
        };
        let mut config = NodeConfig::new(&format!("n{n}"));
        config.neighbours = self.setup.dials(n).into_iter().map(neighbour).collect();
        config.identity = IdentitySource::LocalCa { home: Some(self.dir.path().join("home")) };
        config.store = self.setup.store;
        config.durability = self.setup.durability;
        config.dissemination = self.setup.dissemination;
        config.state = (self.setup.store == StoreKind::Sqlite).then(|| self.dir.path().join(format!("state-{n}")));
        config.store_max = 0;
        config.limits = Limits {
            greedy_bytes_per_day: 0,
            greedy_incarnations_per_day: 0,
            pace_bytes_per_s: 0,
            frames_per_s: u32::MAX,
            bytes_per_s: u32::MAX,
            links: self.setup.nodes.max(64),
            ..Limits::default()
        };
        self.nodes.push(start(config).await.expect("a node that starts"));
    }

    pub async fn stop(self) {
        let nodes: Vec<_> =
            self.nodes.into_iter().map(|node| tokio::spawn(async move { node.shutdown().await })).collect();
        for node in nodes {
            let _ = node.await;
        }
    }
}
