//! Numbers that more than one room holds to.

use core::time::Duration;

/// So long no link is taken with a member that sent what no honest node sends, before or after its HELLO (docs/protocol.md, P-G7).
pub const BAN: Duration = Duration::from_secs(60);

/// How many seconds a day has.
pub const DAY_S: u64 = 86_400;

/// An incarnation later than so many seconds after the wall clock was begun under a wrong one. It is not believed when a neighbour claims it to be ours,
/// nor of a key while there is another, nor of our own file (docs/protocol.md, P-S11 and P-L2).
pub const MAX_INCARNATION_AHEAD_S: u64 = DAY_S;
