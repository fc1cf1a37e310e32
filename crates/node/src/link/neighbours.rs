//! The neighbours that this node dials, and why one has no link: what `rumormill peers` says of them.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumormill_api::NeighbourInfo;
use rumormill_peering::{Ended, Named};
use rumormill_wire::NodeId;
use tokio::sync::watch;

use crate::config::Neighbour;
use crate::lock;

#[derive(Debug)]
struct State {
    neighbour: Neighbour,
    node: Option<NodeId>,
    tries: u64,
    last: Option<(Ended, Instant)>,
    next: Option<Instant>,
    /// Tries that have ended without a link since the start. One that ended because another link is kept is none.
    ended: u64,
    /// It asked to be left alone for a time, or is banned here: it is not tried sooner.
    alone: bool,
}

impl State {
    fn info(&self, now: Instant) -> NeighbourInfo {
        let Self { neighbour, tries, last, next, .. } = self;
        NeighbourInfo {
            name: neighbour.name.clone(),
            addr: neighbour.addr,
            tries: *tries,
            reason: last.as_ref().map(|(ended, _)| ended.reason.clone()).unwrap_or_default(),
            said: last.as_ref().and_then(|(ended, _)| Some(ended.said.as_ref()?.reason.clone())),
            failed_s: last.as_ref().map(|(_, at)| now.saturating_duration_since(*at).as_secs()),
            next_s: next.map(|at| at.saturating_duration_since(now).as_secs()),
        }
    }
}

/// All neighbours of the configuration, with or without a link, and how the tries to have one go.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    all: Mutex<Vec<State>>,
    again: watch::Sender<u64>,
}

/// Names one of them, for as long as the node runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(usize);

impl Neighbours {
    pub(crate) fn add(&self, neighbour: Neighbour) -> Slot {
        let mut all = lock(&self.all);
        all.push(State { neighbour, node: None, tries: 0, last: None, next: None, ended: 0, alone: false });
        Slot(all.len().saturating_sub(1))
    }

    fn with(&self, slot: Slot, change: impl FnOnce(&mut State)) {
        let mut all: MutexGuard<'_, Vec<State>> = lock(&self.all);
        if let Some(state) = all.get_mut(slot.0) {
            change(state);
        }
    }

    /// This node answers there, by its certificate.
    pub(crate) fn is(&self, slot: Slot, node: NodeId) {
        self.with(slot, |state| state.node = Some(node));
    }

    /// The names of those at these addresses, and who answered there last.
    pub(crate) fn at(&self, fits: impl Fn(SocketAddr) -> bool) -> Vec<(Option<String>, Option<NodeId>)> {
        let all = lock(&self.all);
        let there = all.iter().filter(|state| fits(state.neighbour.addr));
        there.map(|state| (state.neighbour.name.clone(), state.node)).collect()
    }

    /// Who they are, as far as that is known.
    pub(crate) fn named(&self, me: NodeId) -> Named {
        let all = lock(&self.all);
        Named::new(all.iter().map(|state| (state.neighbour.name.clone(), state.node)), me)
    }

    /// There is a link, or was for a while.
    pub(crate) fn linked(&self, slot: Slot) {
        self.with(slot, |state| (state.tries, state.last, state.next) = (0, None, None));
    }

    /// A try has ended without a link that lived.
    pub(crate) fn failed(&self, slot: Slot, ended: Ended, next: Duration) {
        self.with(slot, |state| {
            let now = Instant::now();
            state.tries = state.tries.saturating_add(1);
            state.ended = state.ended.saturating_add(u64::from(!ended.duplicate));
            state.alone = ended.retry_after() > Duration::ZERO;
            (state.last, state.next) = (Some((ended, now)), Some(now + next));
        });
    }

    /// It is not tried for so long, without a try that has failed.
    pub(crate) fn waits(&self, slot: Slot, why: Ended, next: Duration) {
        self.with(slot, |state| {
            let now = Instant::now();
            state.alone = true;
            (state.last, state.next) = (Some((why, now)), Some(now + next));
        });
    }

    pub(crate) fn dials(&self, slot: Slot) {
        self.with(slot, |state| (state.next, state.alone) = (None, false));
    }

    /// Something was changed here that may be why we were refused: all are tried at once, but for those that asked to be left
    /// alone. One that is being tried now is tried once more if that gives no link.
    pub(crate) fn try_again(&self) {
        self.again.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Changes with each [`Neighbours::try_again`].
    pub(crate) fn trying_again(&self) -> watch::Receiver<u64> {
        self.again.subscribe()
    }

    /// Whether it is not to be tried before its time, whatever changes.
    pub(crate) fn is_left_alone(&self, slot: Slot) -> bool {
        lock(&self.all).get(slot.0).is_some_and(|state| state.alone)
    }

    /// How many tries have ended so far, for [`Neighbours::settled`].
    pub(crate) fn ended(&self) -> Vec<u64> {
        lock(&self.all).iter().map(|state| state.ended).collect()
    }

    /// Whether each of them is linked, has been tried to no avail since those tries had `ended`, or is not tried now.
    pub(crate) fn settled(&self, ended: &[u64], linked: impl Fn(Option<&str>, Option<NodeId>) -> bool) -> bool {
        let tried = |n: usize, state: &State| state.alone || ended.get(n).is_none_or(|before| state.ended > *before);
        let open: Vec<_> = {
            let all = lock(&self.all);
            let open = all.iter().enumerate().filter(|(n, state)| !tried(*n, state));
            open.map(|(_, state)| (state.neighbour.name.clone(), state.node)).collect()
        };
        open.iter().all(|(name, node)| linked(name.as_deref(), *node))
    }

    /// Those of which `linked` says no. It is asked without our lock: it takes that of the links, under which we are asked.
    pub(crate) fn unlinked(&self, linked: impl Fn(Option<&str>, Option<NodeId>) -> bool) -> Vec<NeighbourInfo> {
        let now = Instant::now();
        let all: Vec<_> = lock(&self.all).iter().map(|state| (state.node, state.info(now))).collect();
        let without = all.into_iter().filter(|(node, info)| !linked(info.name.as_deref(), *node));
        without.map(|(_, info)| info).collect()
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::{Bye, ByeCode};

    use super::*;

    fn two() -> (Neighbours, [Slot; 2]) {
        let neighbours = Neighbours::default();
        let slots = ["a", "b"].map(|name| {
            neighbours.add(Neighbour { name: Some(name.to_owned()), addr: SocketAddr::from(([127, 0, 0, 1], 1)) })
        });
        (neighbours, slots)
    }

    const NONE: fn(Option<&str>, Option<NodeId>) -> bool = |_, _| false;

    #[test]
    fn one_that_is_not_there_is_settled_once_a_try_has_ended_and_one_that_is_linked_at_once() {
        let (neighbours, [a, b]) = two();
        neighbours.dials(a);
        neighbours.failed(a, Ended::passing("refused"), Duration::ZERO);
        let before = neighbours.ended();
        let linked = |name: Option<&str>, _: Option<NodeId>| name == Some("b");
        assert!(!neighbours.settled(&before, linked), "that try was before");
        neighbours.dials(a);
        assert!(!neighbours.settled(&before, linked), "it is on its way");
        neighbours.failed(a, Ended::passing("refused"), Duration::ZERO);
        assert!(neighbours.settled(&before, linked) && !neighbours.settled(&before, NONE));
        neighbours.failed(b, Ended { duplicate: true, ..Ended::refused("kept") }, Duration::ZERO);
        assert!(!neighbours.settled(&before, NONE), "another link with it is about to be up");
        neighbours.waits(b, Ended::refused("banned"), Duration::ZERO);
        assert!(neighbours.settled(&before, NONE), "it is not tried");
        assert!(Neighbours::default().settled(&[], NONE), "there are none");
    }

    /// Whoever looks at the links does so under their lock, and under that the neighbours are asked, too.
    #[test]
    fn nothing_is_asked_of_others_under_our_lock() {
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (neighbours, _) = two();
            let asks = |_: Option<&str>, _: Option<NodeId>| neighbours.ended().is_empty();
            let seen = (neighbours.unlinked(asks).len(), neighbours.settled(&[0, 0], asks));
            done.send(seen).unwrap();
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok((2, false)), "it waits for itself");
    }

    #[test]
    fn who_asked_to_be_left_alone_is_until_it_is_tried_again() {
        let (neighbours, [a, b]) = two();
        let said = |retry_after_s| Ended::by(Bye { code: ByeCode::OVERLOAD, retry_after_s, reason: "full".into() });
        neighbours.failed(a, said(300), Duration::ZERO);
        neighbours.failed(b, said(0), Duration::ZERO);
        assert!(neighbours.is_left_alone(a) && !neighbours.is_left_alone(b));
        neighbours.dials(a);
        assert!(!neighbours.is_left_alone(a));
    }

    #[test]
    fn what_changes_during_a_try_is_not_lost() {
        let (neighbours, _) = two();
        let mut again = neighbours.trying_again();
        neighbours.try_again();
        assert!(again.has_changed().unwrap());
        again.borrow_and_update();
        assert!(!again.has_changed().unwrap());
    }
}
