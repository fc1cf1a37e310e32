//! Eager spreading, or flooding: what is new goes to every neighbour but those that it came from. It waits for nothing.

use std::collections::{BTreeSet, VecDeque};

use super::io::{Input, Output};
use crate::io::LinkId;

/// Gives all at once and remembers nothing but who is there.
#[derive(Debug, Default)]
pub struct Eager {
    links: BTreeSet<LinkId>,
    output: VecDeque<Output>,
}

impl Eager {
    /// Takes what happened; what is to be done about it comes from `poll_output`.
    pub(super) fn handle(&mut self, input: Input) {
        match input {
            Input::Fresh { origin, first, from } => {
                let others = self.links.iter().filter(|link| !from.contains(link));
                self.output.extend(others.map(|link| Output::Give { link: *link, origin, first }));
            }
            Input::LinkUp { link, .. } => drop(self.links.insert(link)),
            Input::LinkDown(link) => drop(self.links.remove(&link)),
            Input::Duplicate { .. } | Input::Status { .. } | Input::Timeout => {}
        }
    }

    /// What is to be done.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::{NodeId, Origin, Seq};

    use super::*;

    #[test]
    fn what_is_new_goes_once_to_all_that_are_there_but_those_that_it_came_from() {
        let mut eager = Eager::default();
        for link in 1..=4 {
            eager.handle(Input::LinkUp { link: LinkId(link), node: NodeId::ZERO });
        }
        eager.handle(Input::LinkDown(LinkId(3)));
        let (origin, first) = (Origin::MIN, Seq(7));
        eager.handle(Input::Fresh { origin, first, from: vec![LinkId(1)] });
        eager.handle(Input::Duplicate { link: LinkId(2), origin });
        eager.handle(Input::Status { link: LinkId(2), in_sync: false });
        eager.handle(Input::Timeout);
        let given = std::iter::from_fn(|| eager.poll_output()).collect::<Vec<_>>();
        assert_eq!(given, [2, 4].map(|link| Output::Give { link: LinkId(link), origin, first }));
    }
}
