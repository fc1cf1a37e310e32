//! Links that are accepted.

use rumormill_peering::Ended;
use rumormill_transport::Listener;

use super::entry::Entry;
use super::linker::Linker;
use super::pump;
use crate::counters::Counters;
use crate::link::said;

/// Takes links from any member of the network until the node stops.
pub(crate) async fn accept(linker: Linker, mut listener: Listener) {
    let mut stopping = linker.driver.stopping();
    loop {
        let opened = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            opened = listener.accept() => opened,
        };
        let Some(opened) = opened else { return };
        let entry = Entry::new(&linker.driver, &opened, None);
        let linker = linker.clone();
        tokio::spawn(async move {
            let (name, addr) = (opened.peer.name().to_owned(), opened.peer.addr());
            let dropped = entry.dropped();
            // One that was up has said itself how it ended.
            let error = tokio::select! {
                () = dropped => return,
                ended = pump::run(opened, entry, &linker.greeting) => match ended {
                    Ok(_) => return,
                    Err(error) => error,
                },
            };
            Counters::add(&linker.driver.counters.greetings_failed, 1);
            let ended = Ended::from(&error);
            if ended.duplicate {
                // Both ends name each other: usual, and there is a link.
                tracing::debug!(peer = %name, %addr, reason = ended.reason, said = said(&ended), "link refused");
            } else {
                tracing::info!(peer = %name, %addr, reason = ended.reason, said = said(&ended), "link refused");
            }
        });
    }
}
