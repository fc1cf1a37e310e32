//! Descriptors: as many as the system lets us have, and some kept for files (`rumormill_doors::take`).

use rumormill_doors::take::first_kept_now;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::NodeConfig;
use crate::start_error::StartError;

/// Descriptors that a node has open besides its connections: standard streams, the runtime, the store, listeners.
const BASE: u64 = 64;

/// Raises the soft limit to the hard one. Gives what is in force then; `None` is without limit.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(why) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%why, soft = ?limit.current, hard = ?limit.maximum, "cannot raise the limit of descriptors");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// With fewer no program of ours begins: its runtime has five, files and a connection come beside.
pub const LEAST: u64 = 16;
/// With fewer a node does not begin: its store, its sockets and the file that it reads take what most of it is, and of the rest a
/// part is kept, so that its owner is not answered and nobody is linked.
pub const LEAST_OF_A_NODE: u64 = 36;
/// What each door, and the control port, needs beside: it listens, and somebody comes, of whom links and files are left a part.
const LEAST_OF_A_DOOR: u64 = 12;

/// The limit of descriptors, if it is lower than what any program here needs, also after the soft limit was raised.
#[must_use]
pub fn too_few() -> Option<u64> {
    fewer_than(LEAST)
}

/// The limit of descriptors, if it is lower than this, also after the soft limit was raised.
#[must_use]
pub fn fewer_than(least: u64) -> Option<u64> {
    let few = |limit: Option<u64>| limit.filter(|limit| *limit < least);
    few(getrlimit(Resource::Nofile).current).and_then(|_| few(raise()))
}

/// Whether a node can begin and be of use, after the soft limit was raised. What lacks is said here, where it is known: later it
/// shows as a file that cannot be opened.
pub(crate) fn enough_for(config: &NodeConfig) -> Result<(), StartError> {
    let ways_in = config.doors.len().saturating_add(config.control.iter().len());
    let doors = u64::try_from(ways_in).unwrap_or(u64::MAX).saturating_mul(LEAST_OF_A_DOOR);
    let least = LEAST_OF_A_NODE.saturating_add(doors);
    match raise().filter(|limit| *limit < least) {
        Some(limit) => Err(StartError::Descriptors { limit, least }),
        None => Ok(()),
    }
}

/// What a node may need when all that it allows is there.
fn may_need(config: &NodeConfig) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let links = count(config.limits.links).saturating_add(count(config.neighbours.len()));
    let socket = count(crate::socket_limits::MAX_CLIENTS);
    BASE.saturating_add(links).saturating_add(count(config.limits.handshakes)).saturating_add(socket)
}

/// Raises the limit and says so where it is too low for what the configuration allows. Gives the number from which on
/// descriptors are kept for files.
pub(crate) fn prepare(config: &NodeConfig) -> i32 {
    let (limit, needed) = (raise(), may_need(config));
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit of descriptors is lower than what max-links and max-handshakes may need; when they run short, connections \
             are turned away; raise it (`ulimit -Hn`, LimitNOFILE) or lower those settings"
        );
    }
    first_kept_now()
}

/// Half of those kept are left for the owner's questions: whoever wants to see why descriptors run short must be answered.
pub(crate) fn first_kept_from_the_owner() -> i32 {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| i32::try_from(limit).ok()).unwrap_or(i32::MAX);
    first_kept_now().midpoint(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((limit, now.current), (now.maximum, now.maximum));
    }

    #[test]
    fn what_may_be_needed_grows_with_the_settings() {
        let mut config = NodeConfig::new("a");
        let before = may_need(&config);
        config.limits.links += 100;
        config.limits.handshakes += 11;
        assert_eq!(may_need(&config), before + 111);
    }
}
