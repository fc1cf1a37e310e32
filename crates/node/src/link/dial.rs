//! Neighbours that are dialled, and links that are accepted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_transport::{Backoff, Endpoint, Expect, Listener};
use rumormill_wire::NodeId;
use tokio::sync::oneshot;

use super::greet::Greeting;
use super::greetings::Greetings;
use super::{Direction, pump};
use crate::config::Neighbour;
use crate::counters::Counters;
use crate::hub::Hub;

/// First and longest delay between tries, on this machine and elsewhere.
const LOOPBACK_DELAYS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
const REMOTE_DELAYS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A link that lived so long makes the next delay the first again.
const LIVED: Duration = Duration::from_secs(5);

/// What dialling and accepting need.
#[derive(Clone)]
pub(crate) struct Linker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) endpoint: Endpoint,
    pub(crate) greeting: Greeting,
    pub(crate) max_links: usize,
    pub(crate) greetings: Arc<Greetings>,
}

/// Keeps a link with a neighbour until the node stops.
pub(crate) async fn keep_linked(linker: Linker, neighbour: Neighbour) {
    let mut stopping = linker.hub.stopping();
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = dial_again_and_again(&linker, &neighbour) => {}
    }
}

async fn dial_again_and_again(linker: &Linker, neighbour: &Neighbour) {
    let (least, most) = delays(neighbour.addr.ip());
    let mut backoff = Backoff::new(least, most);
    // Jitter needs no secret: neighbours that dial each other only must not do it in step.
    let [a, b, c, d, ..] = linker.hub.checker.me.0;
    let mut rng = StdRng::seed_from_u64(u64::from(u32::from_be_bytes([a, b, c, d])) ^ linker.hub.clock.now().0);
    let mut known: Option<NodeId> = None;
    let mut said = String::new();
    loop {
        until_unlinked(&linker.hub, neighbour.name.as_deref(), known).await;
        let expect = neighbour.name.clone().map_or(Expect::Any, Expect::Name);
        let why = match linker.endpoint.dial(neighbour.addr, expect).await {
            Ok(opened) => {
                known = Some(opened.peer.node());
                let begun = std::time::Instant::now();
                // The link has a task of its own, so that the node can say goodbye on it after dialling has ended.
                let (linker, direction) = (linker.clone(), Direction::Outbound);
                let link = tokio::spawn(async move {
                    pump::run(&linker.hub, opened, direction, &linker.greeting, linker.max_links, None).await
                });
                let ended = link.await;
                if begun.elapsed() >= LIVED {
                    backoff.reset();
                }
                match ended {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("the link's task ended".to_owned()),
                }
            }
            Err(error) => {
                Counters::add(&linker.hub.counters.dials_failed, 1);
                Some(error.to_string())
            }
        };
        if let Some(why) = why.filter(|why| *why != said) {
            // Said once, not at every try.
            let name = neighbour.name.as_deref().unwrap_or("anybody");
            tracing::info!(neighbour = name, addr = %neighbour.addr, why, "no link yet; trying again");
            said = why;
        }
        tokio::time::sleep(backoff.next(&mut rng)).await;
    }
}

fn delays(addr: IpAddr) -> (Duration, Duration) {
    if addr.to_canonical().is_loopback() { LOOPBACK_DELAYS } else { REMOTE_DELAYS }
}

/// While the neighbour has dialled us, there is nothing to do.
async fn until_unlinked(hub: &Hub, name: Option<&str>, node: Option<NodeId>) {
    let mut changed = hub.links_changed();
    while hub.linked(name, node) {
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// Takes links from any member of the network until the node stops.
pub(crate) async fn accept(linker: Linker, mut listener: Listener) {
    let mut stopping = linker.hub.stopping();
    loop {
        let opened = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            opened = listener.accept() => opened,
        };
        let Some(opened) = opened else { return };
        let (begin, begun) = oneshot::channel();
        let (node, room) = (opened.peer.node(), linker.hub.room_for_links(linker.max_links));
        let taken = linker.clone();
        let task = tokio::spawn(async move {
            let (linker, Ok(seat)) = (taken, begun.await) else { return };
            let (name, addr) = (opened.peer.name().to_owned(), opened.peer.addr());
            let direction = Direction::Inbound;
            let run = pump::run(&linker.hub, opened, direction, &linker.greeting, linker.max_links, Some(seat));
            if let Err(error) = run.await {
                Counters::add(&linker.hub.counters.greetings_failed, 1);
                tracing::info!(peer = %name, %addr, reason = %error, "link refused");
            }
        });
        let (seat, ended) = linker.greetings.enter(node, task.abort_handle(), room);
        Counters::add(&linker.hub.counters.greetings_evicted, ended);
        let _ = begin.send(seat);
    }
}
