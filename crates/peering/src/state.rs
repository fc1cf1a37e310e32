//! What the machine knows, and what can be asked of it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::StdRng;
use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::{NetworkId, NodeId};

use crate::bans::Bans;
use crate::dial::{Dial, SHOWN};
use crate::ended::Ended;
use crate::greetings::Greetings;
use crate::io::Output;
use crate::link::Link;
use crate::neighbour::{Neighbour, NeighbourId};
use crate::places::Named;

/// Settings of link policy: whom to link with, and how long to wait.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our own node id: a link with it is refused.
    pub me: NodeId,
    /// The network that a HELLO has to name.
    pub network: NetworkId,
    /// Most links that are up at once, named neighbours included.
    pub max_links: usize,
    /// After so long a silence a neighbour is pinged.
    pub ping: Duration,
    /// How long a peer may take to say HELLO.
    pub hello_deadline: Duration,
    /// Whom to keep a link with.
    pub neighbours: Vec<Neighbour>,
}

/// Who is linked with whom.
#[derive(Debug)]
pub struct Peering {
    pub(crate) me: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) max_links: usize,
    pub(crate) ping: Duration,
    pub(crate) hello_deadline: Duration,
    /// Links from their handshake on. Those that are up have a bound ([`Config::max_links`]), those that were accepted and are not another
    /// ([`Greetings`]), and of those that we dialled each neighbour has one.
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) greetings: Greetings<LinkId>,
    pub(crate) bans: Bans,
    /// By [`crate::NeighbourId`].
    pub(crate) dials: Vec<Dial>,
    /// When the last input came.
    pub(crate) now: Timestamp,
    /// Who was told all, with its name. Bounded by the links that come up while this node tells its last words.
    pub(crate) told: Vec<(NodeId, String)>,
    /// Who keeps another link with us than the one that it ended since this node stops: that one may still come up. Bounded by the links that
    /// were up then.
    pub(crate) rejoining: BTreeSet<NodeId>,
    pub(crate) stopping: bool,
    /// When silent neighbours are looked for next.
    pub(crate) round: Timestamp,
    /// Neighbours have to be looked at: time has passed, a link came or went, or a try ended.
    pub(crate) changed: bool,
    pub(crate) rng: StdRng,
    pub(crate) outputs: VecDeque<Output>,
}

/// How it stands with a neighbour of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Who is to be there, and where.
    pub neighbour: &'a Neighbour,
    /// Who answered there last.
    pub node: Option<NodeId>,
    /// Whether there is a link with it, whoever opened it.
    pub linked: bool,
    /// Tries since the last link that lived.
    pub tries: u64,
    /// How the last one ended, and when.
    pub last: Option<(&'a Ended, Timestamp)>,
    /// When the next one is, if that is known.
    pub next: Option<Timestamp>,
}

impl Peering {
    /// Without any link. Delays differ by what `rng` gives; that needs no secret.
    #[must_use]
    pub fn new(config: Config, rng: StdRng) -> Self {
        let Config { me, network, max_links, ping, hello_deadline, neighbours } = config;
        Self {
            me,
            network,
            max_links,
            ping,
            hello_deadline,
            links: BTreeMap::new(),
            greetings: Greetings::default(),
            bans: Bans::default(),
            now: Timestamp::ZERO,
            dials: neighbours.into_iter().map(Dial::new).collect(),
            told: Vec::new(),
            rejoining: BTreeSet::new(),
            stopping: false,
            round: Timestamp::ZERO,
            changed: false,
            rng,
            outputs: VecDeque::new(),
        }
    }

    /// All neighbours of the configuration, in its order.
    pub fn neighbours(&self) -> impl Iterator<Item = Standing<'_>> {
        self.dials.iter().enumerate().map(|(n, dial)| Standing {
            neighbour: &dial.neighbour,
            node: dial.node,
            linked: self.linked(n, dial, SHOWN),
            tries: dial.tries,
            last: dial.last.as_ref().map(|(ended, at)| (ended, *at)),
            next: dial.next(),
        })
    }

    /// How many tries of each have ended so far, for [`Peering::settled`].
    #[must_use]
    pub fn ended(&self) -> Vec<u64> {
        self.dials.iter().map(|dial| dial.ended).collect()
    }

    /// Whether each neighbour is linked, was told all, has been tried to no avail since those tries had `ended`, or is not tried now.
    #[must_use]
    pub fn settled(&self, ended: &[u64]) -> bool {
        let told = |dial: &Dial| self.told.iter().any(|(node, name)| is(dial, *node, name));
        self.dials.iter().enumerate().all(|(n, dial)| {
            let tried = ended.get(n).is_none_or(|before| dial.ended > *before);
            dial.is_left_alone() || tried || self.linked(n, dial, SHOWN) || told(dial)
        })
    }

    /// Whether no link with this node is taken for now.
    #[must_use]
    pub fn is_banned(&self, node: &NodeId, now: Timestamp) -> bool {
        self.bans.remaining(node, now).is_some()
    }

    /// Those that were told all and get no further link.
    #[must_use]
    pub fn is_told(&self, node: &NodeId) -> bool {
        self.told.iter().any(|(told, _)| told == node)
    }

    /// Nodes that keep another link with us, which is not up yet, while this node stops.
    #[must_use]
    pub fn rejoining(&self) -> usize {
        self.rejoining.len()
    }

    /// Links that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = (LinkId, &Link)> + Clone {
        self.links.iter().filter(|(_, link)| link.is_up()).map(|(id, link)| (*id, link))
    }

    /// Whether a neighbour has a link, where who answered at its address stands for it for so long.
    pub(crate) fn linked(&self, n: usize, dial: &Dial, lasts: Duration) -> bool {
        let stands = dial.stands(self.now, lasts);
        let here = |link: &Link| link.neighbour == Some(NeighbourId(n));
        self.up().any(|(_, link)| here(link) || stands && is(dial, link.peer.node, &link.peer.name))
    }

    /// The neighbours that are named in the configuration, as far as they are known.
    pub(crate) fn named(&self) -> Named {
        Named::new(self.dials.iter().map(|dial| (dial.neighbour.name.clone(), dial.node)), self.me)
    }
}

/// Whether a neighbour is this node, by its name or by what answered at its address.
fn is(dial: &Dial, node: NodeId, name: &str) -> bool {
    dial.neighbour.name.as_deref() == Some(name) || dial.node == Some(node)
}
