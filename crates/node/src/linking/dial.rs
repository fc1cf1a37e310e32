//! Neighbours that are dialled, and links that are accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_peering::{Direction, Ended, Plan, Room, Who};
use rumormill_transport::{Endpoint, Expect, Listener};
use rumormill_wire::NodeId;
use tokio::sync::{oneshot, watch};

use super::greet::Greeting;
use super::pump;
use crate::config::Neighbour;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::link::{Seats, Slot, of_dial, said as told};

/// A link that lived so long makes the next delay the first again: whoever ends one for what it found in the handshake or HELLO has done
/// so by then.
const LIVED: Duration = Duration::from_secs(5);
const BANNED: &str = "banned here for a while: it broke the protocol";

/// What dialling and accepting need.
#[derive(Clone)]
pub(crate) struct Linker {
    pub(crate) driver: Arc<Driver>,
    pub(crate) endpoint: Endpoint,
    pub(crate) greeting: Greeting,
    pub(crate) max_links: usize,
    pub(crate) greetings: Arc<Seats>,
}

/// Keeps a link with a neighbour until the node stops.
pub(crate) async fn keep_linked(linker: Linker, neighbour: Neighbour, slot: Slot) {
    let mut stopping = linker.driver.stopping();
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = dial_again_and_again(&linker, &neighbour, slot) => {}
    }
}

async fn dial_again_and_again(linker: &Linker, neighbour: &Neighbour, slot: Slot) {
    let (driver, name) = (&linker.driver, neighbour.name.as_deref());
    let mut plan = Plan::new(neighbour.addr.ip(), name);
    // Jitter needs no secret: neighbours that dial each other only must not do it in step.
    let [a, b, c, d, ..] = driver.checker.me.0;
    let mut rng = StdRng::seed_from_u64(u64::from(u32::from_be_bytes([a, b, c, d])) ^ driver.clock.now().0);
    let mut again = driver.neighbours.trying_again();
    let mut known: Option<NodeId> = None;
    let (mut said, mut duplicate) = (String::new(), false);
    loop {
        if until_unlinked(driver, name, known).await >= LIVED {
            plan.worked();
            driver.neighbours.linked(slot);
            said.clear();
        }
        if let Some(left) = driver.banned(name, known) {
            driver.neighbours.waits(slot, Ended::refused(BANNED), left);
            wait(driver, (name, known), left, None).await;
            continue;
        }
        driver.neighbours.dials(slot);
        // What changes from here on is not in this try.
        again.borrow_and_update();
        let (ended, lived) = dial(linker, neighbour, slot, &mut known).await;
        if lived >= LIVED {
            plan.worked();
            driver.neighbours.linked(slot);
            said.clear();
        }
        let delay = plan.next(&ended, driver.clock.now(), &mut rng);
        // Not where there is a link, nor where the one that is kept is about to be up here too.
        let quiet = driver.linked(name, known) || (ended.duplicate && !duplicate);
        duplicate = ended.duplicate;
        if ended.reason != said && !quiet {
            // Said once, not at every try; `rumormill peers` says how often.
            let name = name.unwrap_or("anybody");
            let (reason, next_ms) = (&ended.reason, delay.as_millis());
            tracing::info!(neighbour = name, addr = %neighbour.addr, reason, said = told(&ended), next_ms, "no link yet; trying again");
            said.clone_from(&ended.reason);
        }
        driver.neighbours.failed(slot, ended, delay);
        let sooner = (!driver.neighbours.is_left_alone(slot)).then_some(&mut again);
        if wait(driver, (name, known), delay, sooner).await == Woken::Changed {
            plan.changed();
        }
    }
}

/// One try, and the link that may come of it: how it ended, and how long it lived.
async fn dial(linker: &Linker, neighbour: &Neighbour, slot: Slot, known: &mut Option<NodeId>) -> (Ended, Duration) {
    let expect = neighbour.name.clone().map_or(Expect::Any, Expect::Name);
    let opened = match linker.endpoint.dial(neighbour.addr, expect).await {
        Ok(opened) => opened,
        Err(error) => {
            Counters::add(&linker.driver.counters.dials_failed, 1);
            return (of_dial(&error), Duration::ZERO);
        }
    };
    *known = Some(opened.peer.node());
    linker.driver.neighbours.is(slot, opened.peer.node());
    // The link has a task of its own, so that the node can say goodbye on it after dialling has ended.
    let (linker, direction, begun) = (linker.clone(), Direction::Outbound, Instant::now());
    let link = tokio::spawn(async move {
        pump::run(&linker.driver, opened, direction, &linker.greeting, linker.max_links, None).await
    });
    match link.await {
        Ok(Ok(ended)) => (ended, begun.elapsed()),
        Ok(Err(error)) => (Ended::from(&error), Duration::ZERO),
        Err(_) => (Ended::passing("the link's task ended"), Duration::ZERO),
    }
}

/// Why a wait is over.
#[derive(Debug, PartialEq, Eq)]
enum Woken {
    /// It is time, or there is a link.
    Usual,
    /// Something was changed here.
    Changed,
}

/// Until it is time for the next try: sooner if the neighbour has a link by then, or something is changed here or was `again`
/// during the last try.
async fn wait(
    driver: &Driver,
    (name, node): (Option<&str>, Option<NodeId>),
    delay: Duration,
    again: Option<&mut watch::Receiver<u64>>,
) -> Woken {
    let mut changed = driver.links_changed();
    let linked = async { while !driver.linked(name, node) && changed.changed().await.is_ok() {} };
    let again = async {
        let Some(again) = again else { return std::future::pending().await };
        // The sender lives as long as the driver.
        let _ = again.changed().await;
    };
    tokio::select! {
        () = tokio::time::sleep(delay) => Woken::Usual,
        () = linked => Woken::Usual,
        () = again => Woken::Changed,
    }
}

/// While the neighbour has dialled us, there is nothing to do. How long that was.
async fn until_unlinked(driver: &Driver, name: Option<&str>, node: Option<NodeId>) -> Duration {
    let (begun, mut changed) = (Instant::now(), driver.links_changed());
    while driver.linked(name, node) {
        if changed.changed().await.is_err() {
            break;
        }
    }
    begun.elapsed()
}

/// Takes links from any member of the network until the node stops.
pub(crate) async fn accept(linker: Linker, mut listener: Listener) {
    let mut stopping = linker.driver.stopping();
    loop {
        let opened = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            opened = listener.accept() => opened,
        };
        let Some(opened) = opened else { return };
        let (begin, begun) = oneshot::channel();
        let (node, named) = (opened.peer.node(), linker.driver.named());
        let room = match named.has(Who { name: opened.peer.name(), node }) {
            true => Room::Own,
            false => Room::Shared(linker.driver.room_for_others(&named, linker.max_links)),
        };
        let taken = linker.clone();
        let task = tokio::spawn(async move {
            let (linker, Ok(seat)) = (taken, begun.await) else { return };
            let (name, addr) = (opened.peer.name().to_owned(), opened.peer.addr());
            let direction = Direction::Inbound;
            // One that was up has said itself how it ended.
            let run = pump::run(&linker.driver, opened, direction, &linker.greeting, linker.max_links, Some(seat));
            if let Err(error) = run.await {
                Counters::add(&linker.driver.counters.greetings_failed, 1);
                let ended = Ended::from(&error);
                if ended.duplicate {
                    // Both ends name each other: usual, and there is a link.
                    tracing::debug!(peer = %name, %addr, reason = ended.reason, said = told(&ended), "link refused");
                } else {
                    tracing::info!(peer = %name, %addr, reason = ended.reason, said = told(&ended), "link refused");
                }
            }
        });
        let (seat, ended) = linker.greetings.enter(node, task.abort_handle(), room);
        Counters::add(&linker.driver.counters.greetings_evicted, u64::try_from(ended).unwrap_or(u64::MAX));
        let _ = begin.send(seat);
    }
}
