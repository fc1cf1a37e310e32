//! MEMBER: what the machine that takes certificates says, done (docs/protocol.md, P-G4).

use rumormill_wire::NodeId;

use super::{Replica, ReplicaOutput};
use crate::ingress;
use crate::io::{self as driver, LinkId, Persist};
use crate::members::{Evidence, Input, Output};
use crate::stats::bump;

impl Replica {
    /// Tells the machine that takes certificates, and does what it says.
    pub(crate) fn tell_members(&mut self, input: Input) {
        self.members.handle(input);
        while let Some(output) = self.members.poll_output() {
            match output {
                Output::Check { link, node, evidence, known } => {
                    self.drive(driver::Output::CheckMember { link, node, evidence, known });
                }
                Output::Full => bump(&mut self.stats.certificates_full, 1),
                Output::Misbehaved(link, why) => self.output.push_back(ReplicaOutput::Misbehaved(link, why)),
                Output::Void(node) => self.tell_ingress(ingress::Input::Void(node)),
                Output::Counts { node, evidence, from, fresh } => self.counts(node, evidence, from, fresh),
            }
        }
    }

    fn counts(&mut self, node: NodeId, evidence: Evidence, from: Option<LinkId>, fresh: bool) {
        bump(&mut self.stats.certificates_replaced, u64::from(!fresh));
        self.persist(Persist::Member { node, evidence: evidence.bytes });
        self.output.push_back(ReplicaOutput::Introduce { node, from });
        if fresh {
            self.tell_ingress(ingress::Input::Admitted(node));
            self.output.push_back(ReplicaOutput::Admitted(node));
        }
    }
}
