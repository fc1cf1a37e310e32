//! Once in a while: who is known where, whether the wall clock was set, whose certificate ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rumormill_peering::Known;
use rumormill_transport::Endpoint;
use rumormill_transport::admission::MAX_MEMBERS;

use crate::driver::Driver;
use crate::logging;
use crate::validity::Validity;

/// The longest time between two rounds.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until the node stops.
pub(crate) async fn run(driver: Arc<Driver>, endpoint: Endpoint, ping: Duration, configured: Vec<IpAddr>) {
    let mut stopping = driver.stopping();
    let (mut known, mut given) = (Known::new(configured, MAX_MEMBERS), Vec::new());
    let mut rounds = tokio::time::interval(ping.min(ROUND));
    let mut links = driver.links_changed();
    let mut validity = Validity::default();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
            changed = links.changed() => {
                if changed.is_err() {
                    return;
                }
                remember(&driver, &endpoint, &mut known, &mut given);
                continue;
            }
        }
        remember(&driver, &endpoint, &mut known, &mut given);
        driver.check_wall();
        logging::tell_left_out(false);
        validity.look(&driver, &endpoint, SystemTime::now());
        driver.keep_lists();
    }
}

/// Who was a member lately gets in through a flood from its own prefix.
fn remember(driver: &Driver, endpoint: &Endpoint, known: &mut Known, given: &mut Vec<IpAddr>) {
    let now = driver.clock.now();
    for link in driver.links() {
        known.see(link.facts.peer, link.facts.addr.ip(), now);
    }
    known.forget(now, |node| driver.checker.revoked.revokes(node) || driver.is_banned(node));
    let addrs = known.addrs();
    if addrs != *given {
        endpoint.set_known_members(addrs.iter().copied());
        *given = addrs;
    }
}
