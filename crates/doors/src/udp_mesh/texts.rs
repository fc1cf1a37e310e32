//! Texts on their way: out in both forms, in under the name of whoever sent them.

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::udp_mesh::extended::{Extended, MAX_TEXT_LEN};
use rumormill_wire::udp_mesh::{Datagram, UdpMeshFault};

use super::keys::{Keys, UNSIGNED};
use super::verifier::Verifier;
use crate::counters::Counters;
use crate::cut::{cut, one_line};

/// Texts from one peer, at once and a second: what legacy peers can take of each other.
pub(super) const TEXTS: Rate = Rate::new(100, 100);
/// Texts from all who are in no directory together, at once and a second.
pub(super) const STRANGERS: Rate = Rate::new(20, 20);

/// One text in both forms.
pub(super) struct Encoded {
    legacy: Arc<[u8]>,
    extended: Arc<[u8]>,
}

impl Encoded {
    /// As one line, cut to what a datagram can hold.
    pub(super) fn new(text: &str, keys: &mut Keys, counters: &Counters) -> Self {
        let line = one_line(text);
        let (text, is_cut) = cut(&line, MAX_TEXT_LEN);
        if is_cut {
            Counters::one(&counters.cut);
            tracing::info!(bytes = line.len(), "udp-mesh: a text was cut to what a datagram holds");
        }
        let mut legacy = Vec::new();
        let encoded = Datagram::Vanilla(&text).encode(&mut legacy);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let time = keys.time();
        let extended = keys.signed(Extended::Text { time, text: &text, signature: UNSIGNED });
        Self { legacy: legacy.into(), extended: extended.into() }
    }

    /// For a legacy peer or one of ours.
    pub(super) fn for_peer(&self, extended: bool) -> Arc<[u8]> {
        Arc::clone(if extended { &self.extended } else { &self.legacy })
    }
}

/// Counts a datagram that is none.
pub(super) fn count_fault(counters: &Counters, reason: UdpMeshFault) {
    Counters::one(if reason == UdpMeshFault::Port { &counters.refused_other } else { &counters.malformed });
}

/// A text that came as a datagram, not believed yet.
pub(super) struct ReceivedText<'a> {
    pub(super) text: &'a str,
    /// The time it was signed, in microseconds since the Unix epoch, and the whole datagram; legacy peers sign nothing.
    pub(super) signed: Option<(u64, &'a [u8])>,
}

/// What is known of the peer that a text came from, and what it may still send.
pub(super) struct KnownSender<'a> {
    pub(super) name: String,
    pub(super) key: Option<[u8; 32]>,
    /// What is left of [`TEXTS`].
    pub(super) said: &'a mut Rate,
    /// The last time it signed: a text that is not later is one that was seen.
    pub(super) time: &'a mut u64,
}

/// What stands between the outside and the room.
pub(super) struct Guard<'a> {
    pub(super) strangers: &'a mut Rate,
    pub(super) verifier: &'a mut Verifier,
    pub(super) counters: &'a Counters,
}

impl ReceivedText<'_> {
    /// Under which name the text may go on; `None`, and it is counted, if it may not.
    pub(super) fn claimed(
        &self,
        now: Timestamp,
        from: SocketAddr,
        sender: Option<KnownSender<'_>>,
        guard: &mut Guard<'_>,
    ) -> Option<String> {
        let Guard { strangers, verifier, counters } = guard;
        let Some(sender) = sender else {
            if !strangers.take(now) {
                Counters::one(&counters.refused_rate);
                return None;
            }
            // Only who is known has a key; nobody vouches for the rest, and an empty text says nothing.
            let fine = self.signed.is_none() && !self.text.is_empty();
            if !fine {
                Counters::one(&counters.refused_other);
            }
            return fine.then(|| format!("?:{}", from.port()));
        };
        if !sender.said.take(now) {
            Counters::one(&counters.refused_rate);
            return None;
        }
        let vouched = match (self.signed, sender.key) {
            (None, _) => true,
            (Some((time, bytes)), Some(key)) => time > *sender.time && verifier.holds(now, from, &key, bytes, counters),
            (Some(_), None) => false,
        };
        if !vouched || self.text.is_empty() {
            Counters::one(&counters.refused_other);
            return None;
        }
        if let Some((time, _)) = self.signed {
            *sender.time = time;
        }
        Some(sender.name)
    }
}
