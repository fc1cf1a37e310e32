//! Once in a while: ping neighbours that are silent, close those that stay so, see whether the wall clock was set.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rumormill_peering::{Known, Silence, silence};
use rumormill_transport::Endpoint;
use rumormill_transport::gate::MAX_MEMBERS;
use rumormill_wire::native::{ByeCode, Frame};

use crate::counters::Counters;
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
        ping_silent(&driver, ping);
        validity.look(&driver, &endpoint, SystemTime::now());
        driver.keep_lists();
    }
}

fn ping_silent(driver: &Driver, ping: Duration) {
    let now = driver.clock.now();
    for link in driver.links() {
        match silence(link.heard_at(), ping, now) {
            Silence::Nothing => {}
            Silence::Ping => link.send_own(&Frame::Ping(now.0)),
            Silence::Farewell => {
                if link.bye(ByeCode::IDLE, "nothing was heard for too long") {
                    Counters::add(&driver.counters.idle_closed, 1);
                    let silent_ms = now.since(link.heard_at()) / 1_000;
                    tracing::info!(peer = %link.facts.name, silent_ms, "a neighbour does not answer");
                }
            }
            Silence::Close => link.close_now(),
        }
    }
}

/// Who was a member lately gets in through a flood from its own prefix.
fn remember(driver: &Driver, endpoint: &Endpoint, known: &mut Known, given: &mut Vec<IpAddr>) {
    let now = driver.clock.now();
    for link in driver.links() {
        known.see(link.facts.peer, link.facts.addr.ip(), now);
    }
    known.forget(now, |node| driver.checker.revoked.revokes(node) || driver.banned_s(node).is_some());
    let addrs = known.addrs();
    if addrs != *given {
        endpoint.set_known_members(addrs.iter().copied());
        *given = addrs;
    }
}
