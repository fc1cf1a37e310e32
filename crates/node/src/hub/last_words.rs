//! The last words of a node that is to end without a farewell (`crash` of a classroom process).
//!
//! From the moment it is told to end it passes on nothing that is new to it. What it was told before becomes durable, is
//! written to the links that are up, and is read there: each link's sending half is closed, and whoever has read all closes
//! the rest. A process that just ended would lose what waits: the system resets a connection on which something
//! was not read, and throws away what it had not sent.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rumormill_gossip::Input;
use rumormill_wire::native::kind;
use tokio::time::{Instant, sleep, timeout};

use super::Hub;
use crate::link::Link;
use crate::lock;

/// How long a link that is up may take to take the last words: one that does not read delays nobody for longer.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long the last words may take to be durable: a node that has just started may still be asking what its neighbours know
/// of it, which takes a second at most.
pub(crate) const LAST_COMMIT: Duration = Duration::from_millis(1_500);
const PAUSE: Duration = Duration::from_millis(1);

/// What became of the last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// They are durable.
    pub(crate) durable: bool,
    /// Links that were up and have not taken all of them.
    pub(crate) late: usize,
}

impl Hub {
    /// Takes nothing new from here on, and waits until what was `said` is durable and all links have read it, within bounds.
    /// Nothing but the end of the process can follow.
    pub(crate) async fn last_words(&self, said: impl Future<Output = ()>) -> LastWords {
        let mut links = self.seal();
        let durable = timeout(LAST_COMMIT, said).await.is_ok();
        let deadline = Instant::now() + LAST_WORDS;
        let mut cut: Vec<Arc<Link>> = Vec::new();
        loop {
            let (left, waiting) = links.into_iter().partition(|link| self.has_left(link));
            links = waiting;
            for link in left {
                link.cut();
                cut.push(link);
            }
            cut.retain(|link| !link.is_closed());
            let late = links.len().saturating_add(cut.len());
            if late == 0 || Instant::now() >= deadline {
                return LastWords { durable, late };
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether what is new is refused.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Relaxed)
    }

    /// Refuses what is new, and gives the links that are up.
    fn seal(&self) -> Vec<Arc<Link>> {
        let state = lock(&self.state);
        self.sealed.store(true, Relaxed);
        state.links.values().cloned().collect()
    }

    /// Whether all that we wrote was given to the link and written to its socket.
    fn has_left(&self, link: &Link) -> bool {
        link.is_closed() || self.with_engine(|engine| engine.all_given(link.id)) && link.written() >= link.put_in()
    }
}

/// Whether an input brings something that would be passed on, or somebody to pass it on to.
pub(super) fn is_new(input: &Input) -> bool {
    match input {
        Input::Frame { bytes, .. } => {
            matches!(bytes.first().copied(), Some(kind::RUMOR | kind::MEMBER | kind::PROOF | kind::REVOKED))
        }
        Input::LinkUp { .. }
        | Input::Admit { .. }
        | Input::Verified { .. }
        | Input::MemberVerdict { .. }
        | Input::ProofVerdict { .. }
        | Input::LookedUp { .. }
        | Input::Revoked { .. }
        | Input::RevocationsKept { .. }
        | Input::Submit { .. } => true,
        _ => false,
    }
}
