//! The last words of a node that is to end without a farewell (`crash` of a classroom process).
//!
//! From the moment it is told to end it passes on nothing that is new to it. What it was told before becomes durable, is
//! written to its links, and is read there: each link's sending half is closed, and whoever has read all closes
//! the rest. A process that just ended would lose what waits: the system resets a connection on which something
//! was not read, and throws away what it had not sent.
//!
//! A process that was told to end right after its start may have no link yet. So each neighbour without one is tried at once,
//! and has a time for its link to come up. Where nobody listens the try is refused, and nobody is waited for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rumormill_gossip::Input;
use rumormill_peering as peering;
use rumormill_wire::NodeId;
use rumormill_wire::native::kind;
use tokio::time::{Instant, sleep, timeout};

use super::state::Driver;
use crate::clock::after;
use crate::link::Link;
use crate::lock;

/// How long a link that is up may take to take the last words: one that does not read delays nobody for longer.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a link may take to come up from then on. With [`LAST_WORDS`] this is less than what a process that takes the same
/// control port again waits for it.
pub(crate) const FIRST_LINKS: Duration = Duration::from_millis(600);
/// How long the last words may take to be durable: a node that has just started may still be asking what its neighbours know
/// of it, which takes a second at most.
pub(crate) const LAST_COMMIT: Duration = Duration::from_millis(1_500);
/// Between two looks at whether all has left.
const PAUSE: Duration = Duration::from_millis(1);

/// What became of the last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// The store has committed them all.
    pub(crate) durable: bool,
    /// Neighbours with a link that have not taken all of them.
    pub(crate) late: usize,
    /// All neighbours had a link or could not be reached.
    pub(crate) settled: bool,
}

impl Driver {
    /// Takes nothing new from here on, and waits until what was `said` is durable and all neighbours that can be reached have
    /// read it, within bounds. Nothing but the end of the process can follow.
    pub(crate) async fn last_words(&self, said: impl Future<Output = ()>) -> LastWords {
        let tried = self.tries_ended();
        self.seal();
        self.try_again();
        let links_by = after(FIRST_LINKS);
        let durable = timeout(LAST_COMMIT, said).await.is_ok();
        let _ = self.drive(Input::Leaving);
        let (mut words_by, mut telling) = (after(LAST_WORDS), Telling::default());
        loop {
            let late = telling.go_on(self);
            let now = Instant::now();
            let settled = self.settled(&tried);
            if !settled && now < links_by {
                // Whoever comes has its time.
                words_by = after(LAST_WORDS);
            } else if late == 0 || now >= words_by {
                return LastWords { durable, late, settled };
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether what is new is refused.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Relaxed)
    }

    /// Refuses what is new; under the lock, so that nothing is half way.
    fn seal(&self) {
        let _state = lock(&self.state);
        self.sealed.store(true, Relaxed);
    }

    /// Whether all that we wrote was given to the link and written to its socket.
    fn has_left(&self, link: &Link) -> bool {
        self.with_engine(|engine| engine.all_given(link.id)) && link.written() >= link.put_in()
    }
}

/// Whom we have told, and are telling.
#[derive(Default)]
struct Telling {
    /// Links whose sending half is closed, until the peer has read all.
    cut: Vec<Arc<Link>>,
    /// All that have had a link since.
    had: BTreeSet<NodeId>,
}

impl Telling {
    /// Cuts the links that were given all. How many neighbours have had a link and not read all yet.
    fn go_on(&mut self, driver: &Driver) -> usize {
        for link in driver.links() {
            self.had.insert(link.facts.peer);
            if !link.is_cut() && !link.is_closed() && driver.has_left(&link) {
                driver.peer(peering::Input::ToldAll { node: link.facts.peer, name: &link.facts.name });
                link.cut();
                self.cut.push(link);
            }
        }
        self.cut.retain(|link| {
            if link.is_closed() && link.is_replaced() {
                driver.peer(peering::Input::NotTold { node: link.facts.peer });
            }
            !link.is_closed()
        });
        let state = lock(&driver.state);
        let without = self.had.iter().filter(|node| !state.machine.peering().is_told(node)).count();
        self.cut.len().saturating_add(without)
    }
}

/// Whether an input brings something that would be passed on.
pub(super) fn is_new(input: &Input) -> bool {
    match input {
        Input::Frame { bytes, .. } => {
            matches!(bytes.first().copied(), Some(kind::RUMOR | kind::MEMBER | kind::PROOF | kind::REVOKED))
        }
        Input::Verified { .. }
        | Input::MemberVerdict { .. }
        | Input::ProofVerdict { .. }
        | Input::LookedUp { .. }
        | Input::Revoked { .. }
        | Input::RevocationsKept { .. }
        | Input::Submit { .. } => true,
        _ => false,
    }
}
