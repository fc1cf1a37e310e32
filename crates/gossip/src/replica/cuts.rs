//! The revocation list in force: the chains that it cuts (docs/protocol.md, R).

use std::collections::BTreeSet;
use std::sync::Arc;

use rumormill_wire::native::ListPart;
use rumormill_wire::{NodeId, Origin};

use super::{Replica, ReplicaOutput};
use crate::author;
use crate::io::Event;
use crate::stats::bump;

impl Replica {
    /// A part is durable: it comes into force.
    pub(crate) fn comes_into_force(&mut self, part: &Arc<ListPart>) {
        self.put_in_force(Arc::clone(part));
        bump(&mut self.stats.revocation_parts, 1);
        let list = Arc::clone(&self.logs.revocations);
        self.event(Event::Revocations { list });
    }

    /// The chains of whom a part names, or the one before it named, are cut anew.
    pub(super) fn put_in_force(&mut self, part: Arc<ListPart>) {
        let before = self.logs.revocations.part(part.place()).cloned();
        let named = part.nodes().keys().chain(before.iter().flat_map(|old| old.nodes().keys()));
        let named: BTreeSet<NodeId> = named.copied().collect();
        if !Arc::make_mut(&mut self.logs.revocations).take(part) {
            return;
        }
        for node in named {
            let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
            let origins: Vec<_> = self.logs.chains.range(low, high).map(|(origin, _)| *origin).collect();
            for origin in origins {
                let cut = self.logs.revocations.limit(&origin);
                self.logs.chains.update(origin, |chain| chain.cut = cut);
            }
        }
        self.output.push_back(ReplicaOutput::FellBack);
        self.tell_author(author::Input::Cut(self.logs.revocations.limit(&self.author.origin())));
    }
}
