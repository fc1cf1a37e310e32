//! Neighbours that are dialled, when the link policy says so.

use std::time::{Duration, Instant};

use rumormill_peering::{Ended, Neighbour, NeighbourId};
use rumormill_transport::Expect;
use rumormill_transport::endpoint::Opened;

use super::entry::Entry;
use super::linker::Linker;
use super::pump;
use crate::counters::Counters;
use crate::link::of_dial;

/// Dials whom link policy names, until the last words of this node are said: links may still come up while it stops.
pub(crate) async fn keep_linked(linker: Linker) {
    let driver = &linker.driver;
    let mut drained = driver.drained();
    driver.tick();
    loop {
        let dials = tokio::select! {
            dials = driver.next_dials() => dials,
            _ = drained.wait_for(|drained| *drained) => return,
        };
        for (id, neighbour) in dials {
            tokio::spawn(keep_dialled(linker.clone(), id, neighbour));
        }
    }
}

/// One try, and the link that may come of it.
async fn keep_dialled(linker: Linker, id: NeighbourId, neighbour: Neighbour) {
    let mut stopping = linker.driver.stopping();
    let expect = neighbour.name.map_or(Expect::Any, Expect::Name);
    let dialled = tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => return,
        dialled = linker.endpoint.dial(neighbour.addr, expect) => dialled,
    };
    let (ended, lived) = match dialled {
        Ok(opened) => keep_opened(&linker, id, opened).await,
        Err(error) => {
            Counters::add(&linker.driver.counters.dials_failed, 1);
            (of_dial(&error), Duration::ZERO)
        }
    };
    linker.driver.dial_ended(id, ended, lived);
}

/// How a link that we opened ended, and how long it lived.
async fn keep_opened(linker: &Linker, id: NeighbourId, opened: Opened) -> (Ended, Duration) {
    let begun = Instant::now();
    let entry = Entry::new(&linker.driver, &opened, Some(id));
    match pump::run(opened, entry, &linker.greeting).await {
        Ok(ended) => (ended, begun.elapsed()),
        Err(error) => (Ended::from(&error), Duration::ZERO),
    }
}
