//! What dates decide about a revocation list. That an entry goes cannot be taken back: once its node is linked again, nobody
//! notices. So no single reading of a clock decides it (docs/protocol.md, P-R5).

use std::collections::BTreeMap;
use std::time::Duration;

use rumormill_limits::DAY_S;
use rumormill_wire::NodeId;
use rumormill_wire::native::{Revocations, Revoked};

/// An entry without a cut stays so long after its certificate has ended: clocks differ (P-R5).
pub const KEPT_AFTER_END: Duration = Duration::from_secs(30 * DAY_S);

/// A list that is dated so many seconds later than the one before, a year: a clock may be ahead, then or now.
const ODDLY_LATER_S: u64 = 366 * DAY_S;
/// And one that is dated so many seconds earlier: a day, more than a wrong time zone makes.
const ODDLY_EARLIER_S: u64 = DAY_S;

/// A list whose date does not go well with that of the list before. One of the two clocks may have been wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddDate {
    /// It is dated more than a year (366 days) later.
    Later {
        /// When the list before was signed, in seconds since the Unix epoch.
        before: u64,
    },
    /// It is dated more than a day earlier.
    Earlier {
        /// When the list before was signed, in seconds since the Unix epoch.
        before: u64,
    },
}

impl OddDate {
    /// Looks at a list that is signed `now`, in seconds since the Unix epoch, after this one.
    pub(crate) fn of(list: &Revocations, now: u64) -> Option<Self> {
        let before = list.issued();
        if list.number() == 0 {
            None
        } else if now > before.saturating_add(ODDLY_LATER_S) {
            Some(Self::Later { before })
        } else if before > now.saturating_add(ODDLY_EARLIER_S) {
            Some(Self::Earlier { before })
        } else {
            None
        }
    }
}

/// The time by which entries are dropped from the part in this place when it is signed `now`: the earliest of the clock, of what
/// the list before says, and of what the part says that is replaced. A clock that is ahead once moves one of them.
pub(crate) fn confirmed(list: &Revocations, place: u8, now: u64) -> u64 {
    let part = list.part(place).map_or(0, |part| part.issued());
    now.min(list.issued()).min(part)
}

/// Takes out who has no cut and no certificate that could be valid anywhere: nothing changes without it.
pub(crate) fn drop_ended(nodes: &mut BTreeMap<NodeId, Revoked>, but: &NodeId, confirmed: u64) -> Vec<NodeId> {
    let ended = |revoked: &Revoked| {
        revoked.cut.is_none() && revoked.not_after.saturating_add(KEPT_AFTER_END.as_secs()) < confirmed
    };
    let gone: Vec<_> =
        nodes.iter().filter(|(node, revoked)| *node != but && ended(revoked)).map(|(node, _)| *node).collect();
    nodes.retain(|node, _| !gone.contains(node));
    gone
}
