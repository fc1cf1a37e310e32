//! What a door counts. All doors count the same things under the same names.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counters and gauges of one door.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)*
        }

        impl Counters {
            /// All of them with their names, in a fixed order.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Gauge: connections, or for datagrams members, right now.
    open,
    /// Connections taken or made, or for datagrams members registered.
    opened,
    /// Connections or registrations turned away because there was no place.
    refused_full,
    /// Connections, datagrams or requests turned away because too many came from one address.
    refused_rate,
    /// Connections, names or ids turned away for another reason the page of the protocol gives: duplicates, port 0.
    refused_other,
    /// Connections turned away, or not taken, because no descriptor was to spare.
    refused_descriptors,
    /// Messages from outside that the room took.
    messages_in,
    /// Messages given to someone outside, once for each receiver.
    messages_out,
    /// Bytes of payload received, malformed ones among them.
    bytes_in,
    /// Bytes of payload sent.
    bytes_out,
    /// Frames, lines or datagrams that are none.
    malformed,
    /// Messages from outside that were dropped: no place in the queue, or the room did not take them.
    dropped_in,
    /// Those of them that were dropped because the door had brought its share of a day.
    over_share,
    /// Messages to the outside that were dropped: too slow a reader, nobody there, or no place in a queue.
    dropped_out,
    /// Messages to the outside that were cut to what the other side can take.
    cut,
    /// Messages from outside that this network had sent out: not taken again.
    echoes,
    /// Datagrams that had to wait: whoever they are for has not shown that it receives, or was sent them before.
    /// Of the menu chat answers that were cut to the length of their question, for the same reason.
    held_back,
    /// Gauge: messages that wait to go out, or letters to be pulled.
    waiting_out,
    /// Gauge: chains of members whose next letters wait in the log, since as many as may wait here do.
    letters_held_back,
    /// Gauge: letters that clients are being given: they wait still, and no other client is given them.
    letters_being_given,
    /// Gauge: letters given to clients that have not ended, so nobody knows whether they were read.
    letters_given,
    /// Letters that were given and come back to be given again, since nothing shows that they were read.
    letters_back,
    /// Letters that were not handed out: what they came in was withdrawn, by a revocation or a proof.
    letters_withdrawn,
    /// Messages from outside that are no letters, as they should be too, since as many as may wait do.
    letters_lost,
}

impl Counters {
    /// Adds one to a counter.
    pub fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `n` to a counter.
    pub fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether something was not taken or not given.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        let lost = [
            &self.refused_full,
            &self.refused_rate,
            &self.refused_other,
            &self.refused_descriptors,
            &self.malformed,
            &self.dropped_in,
            &self.dropped_out,
            &self.cut,
            &self.letters_lost,
        ];
        lost.iter().any(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    /// Sets a gauge to what is there now.
    pub fn set(gauge: &AtomicU64, n: usize) {
        gauge.store(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
