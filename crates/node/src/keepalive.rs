//! Once in a while: ping neighbours that are silent, close those that stay so, see whether the wall clock was set.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rumormill_transport::Endpoint;
use rumormill_wire::native::{ByeCode, Frame};

use crate::clock::micros;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::known::Known;
use crate::logging;
use crate::validity::Validity;

/// Pings without an answer before a link is closed.
const SILENT_PINGS: u64 = 3;
/// The longest time between two rounds.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until the node stops.
pub(crate) async fn run(driver: Arc<Driver>, endpoint: Endpoint, ping: Duration, configured: Vec<IpAddr>) {
    let mut stopping = driver.stopping();
    let (mut known, mut given) = (Known::new(configured), Vec::new());
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
        ping_silent(&driver, micros(ping));
        validity.look(&driver, &endpoint, SystemTime::now());
        driver.keep_lists();
    }
}

fn ping_silent(driver: &Driver, ping_us: u64) {
    let now = driver.clock.now();
    for link in driver.links() {
        let silent = now.since(link.heard_at());
        if silent > ping_us.saturating_mul(SILENT_PINGS.saturating_add(2)) {
            // A peer that reads nothing takes no BYE either.
            link.close_now();
        } else if silent > ping_us.saturating_mul(SILENT_PINGS.saturating_add(1)) {
            if link.bye(ByeCode::IDLE, "nothing was heard for too long") {
                Counters::add(&driver.counters.idle_closed, 1);
                tracing::info!(peer = %link.facts.name, silent_ms = silent / 1_000, "a neighbour does not answer");
            }
        } else if silent > ping_us {
            link.send_own(&Frame::Ping(now.0));
        }
    }
}

/// Who was a member lately gets in through a flood from its own prefix.
fn remember(driver: &Driver, endpoint: &Endpoint, known: &mut Known, given: &mut Vec<IpAddr>) {
    let now = Instant::now();
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
