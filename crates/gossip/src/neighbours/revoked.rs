//! The revocation list: the machine that takes it and passes it on, joined to the links (docs/protocol.md, R).

use std::sync::Arc;

use rumormill_wire::native::{ByeCode, Frame, ListPart};

use super::{NeighbourOutput, Neighbours};
use crate::io::{self as driver, Persist};
use crate::replica::Replica;
use crate::revocation::{Input, Output};
use crate::stats::bump;

impl Neighbours {
    /// Tells the machine, and does what it says.
    pub(crate) fn tell_revocation(&mut self, replica: &Replica, input: Input) {
        self.revocation.handle(&replica.logs().revocations, input);
        while let Some(output) = self.revocation.poll_output() {
            match output {
                Output::Ours(link, ours) => drop(self.send(link, &Frame::Revisions(ours.as_slice().into()))),
                Output::Check(link, bytes) => self.drive(driver::Output::CheckRevocations { link, bytes }),
                Output::Persist(part) => self.drive(driver::Output::Persist(Persist::Revocations(part))),
                Output::InForce(part) => self.output.push_back(NeighbourOutput::InForce(part)),
                Output::Owed(link) => self.links.touch(link),
                Output::Send(link, part) => {
                    self.charge(link, part.bytes().len());
                    self.send(link, &Frame::Revoked(part.bytes()));
                }
                Output::Known => bump(&mut self.stats.revocations_known, 1),
                Output::Misbehaved(link, reason) => self.misbehaved(replica, link, reason),
            }
        }
    }

    /// A part is in force: links of those that it names end, and neighbours hear of it.
    pub(crate) fn in_force(&mut self, replica: &Replica, part: Arc<ListPart>) {
        let list = Arc::clone(&replica.logs().revocations);
        for id in self.links.everybody() {
            if self.peer(id).is_some_and(|peer| list.revokes(&peer)) {
                self.close(replica, id, ByeCode::REVOKED, "its certificate is revoked", 0);
            }
        }
        self.tell_revocation(replica, Input::InForce(part));
    }

    /// A part came where trust is pinned: whoever sent it may go by a CA, and no honest node is blamed for that (P-G7).
    pub(crate) fn revocations_void(&mut self) {
        bump(&mut self.stats.revocations_void, 1);
    }
}
