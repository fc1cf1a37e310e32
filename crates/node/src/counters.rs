//! What the shell counts; the engine and the links count for themselves.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start of what links, the store, the log and the local socket did.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: AtomicU64,)* }

        impl Counters {
            /// Every counter with its name.
            pub(crate) fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Links that came up.
    links_up,
    /// Links that were up and have ended, for whatever reason.
    links_down,
    /// Dials without a link.
    dials_failed,
    /// Accepted links that did not get past HELLO.
    greetings_failed,
    /// Links ended before their HELLO to make room for a newer one.
    greetings_evicted,
    /// Links refused because all places were taken.
    links_refused_full,
    /// Links refused because the places left are kept for named neighbours.
    links_refused_kept,
    /// Links ended because a named neighbour took their place.
    links_displaced,
    /// Links that broke the form below the frames that the engine sees: the member is banned for a while.
    breaches,
    /// Groups that the store has committed.
    commits,
    /// Messages made durable, our own among them.
    messages_committed,
    /// Reads of the store that failed or found damage.
    reads_failed,
    /// Reads of the store for which there was no room.
    reads_dropped,
    /// Links closed because nothing was heard.
    idle_closed,
    /// Neighbours that may lack some of what this node said last, as it ended.
    left_behind,
    /// Proofs about origins without messages that were dropped from the store at the start.
    useless_proofs_dropped,
    /// Messages that the store gave for logs that somebody asked for: those of the classroom, and pages.
    log_rows_read,
    /// Proofs of equivocation that found no room in a full store.
    proofs_not_kept,
    /// Messages of ours that were taken and could not be written.
    submits_not_written,
    /// 1 once the store takes no more.
    store_full,
    /// Bytes of the store's files when it became full, by its own count; 0 before.
    store_bytes,
    /// Bytes that the store may have; 0 is without bound.
    store_max,
    /// Links closed because a certificate ended.
    links_expired,
    /// Times a part of the revocation list could not be kept.
    lists_not_kept,
    /// Bundles of others whose clock was off by more than the limit.
    clocks_off,
    /// 1 while most neighbours' clocks differ from ours in one direction.
    own_clock_suspected,
    /// Requests at the local socket.
    socket_requests,
    /// Clients and requests that were turned away there because there was no place.
    socket_refused,
    /// Connections of other users that were turned away there.
    socket_strangers,
    /// Clients that were let go there: they took nothing, or asked for nothing.
    socket_dropped,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Relaxed);
    }

    pub(crate) fn set(counter: &AtomicU64, to: u64) {
        counter.store(to, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_named() {
        let printed = format!("{:?}", Counters::default());
        let named = Counters::default().named();
        assert_eq!(printed.matches(": 0").count(), named.len(), "{printed}");
        assert!(named.iter().all(|(name, _)| printed.contains(&format!("{name}: 0"))));
    }
}
