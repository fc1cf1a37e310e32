//! What comes in by the two sockets.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::{Extended, Refusal};

use super::super::checks::Checks;
use super::super::directory::{Claim, Directory, Verdict};
use super::super::socket::drain;
use super::super::texts::{Guard, Heard, Sender, count_fault};
use super::Host;
use crate::porch::IntoRoom;
use crate::{Counters, Incoming};

impl Host {
    pub(super) fn hear_members(&mut self, counters: &Counters) -> bool {
        let now = self.start.elapsed();
        let Self { socket, buffer, directory, checks, refusals, .. } = self;
        let empty = drain(socket, buffer, |from, bytes| {
            directory.heard();
            Counters::add(&counters.bytes_in, bytes.len());
            let refusal = hear_member(now, from, bytes, directory, checks, counters);
            if let Some(why) = refusal.filter(|_| refusals.take(now, REFUSALS)) {
                let mut out = Vec::new();
                let encoded = Datagram::Extended(Extended::Refused(why)).encode(&mut out);
                debug_assert!(encoded.is_ok(), "{encoded:?}");
                // Whoever does not hear it asks again.
                let _ = socket.try_send_to(&out, from);
            }
        });
        empty.unwrap_or(true)
    }

    pub(super) fn hear_peers(&mut self, into_room: &IntoRoom, counters: &Counters) -> bool {
        let now = self.start.elapsed();
        let Self { mouth, buffer, directory, strangers, checks, .. } = self;
        let empty = drain(&mouth.socket, buffer, |from, bytes| {
            Counters::add(&counters.bytes_in, bytes.len());
            let heard = match Datagram::parse(bytes) {
                Ok(Datagram::Vanilla(text)) => Heard { text, signed: None },
                Ok(Datagram::Extended(Extended::Text { time, text, .. })) => {
                    Heard { text, signed: Some((time, bytes)) }
                }
                Ok(_) => return Counters::one(&counters.refused_other),
                Err(why) => return count_fault(counters, why.reason),
            };
            let sender = directory.member_at(from).map(|member| Sender {
                name: member.name(),
                key: member.own.as_ref().map(|own| own.key),
                said: &mut member.said,
                time: &mut member.time,
            });
            if let Some(claimed) = heard.claimed(now, from, sender, &mut Guard { strangers, checks, counters }) {
                into_room.try_send(Incoming { claimed, text: heard.text.to_owned(), from: Some(from.ip()) });
            }
        });
        empty.unwrap_or(true)
    }
}

/// Refusals sent, a second.
const REFUSALS: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// What a datagram to the directory does; the refusal that goes back, if any.
fn hear_member(
    now: Duration,
    from: SocketAddr,
    bytes: &[u8],
    directory: &mut Directory,
    checks: &mut Checks,
    counters: &Counters,
) -> Option<Refusal> {
    let datagram = match Datagram::parse(bytes) {
        Ok(datagram) => datagram,
        Err(why) => {
            count_fault(counters, why.reason);
            return None;
        }
    };
    let verdict = match datagram {
        Datagram::Birth { name, port } => directory.birth(now, from, name, port),
        Datagram::Extended(Extended::Birth { time, key, addr, name, .. }) => {
            directory
                .claim(now, from, Claim { time, key, addr, name }, || checks.holds(now, from, &key, bytes, counters))
        }
        Datagram::KeepAlive(name) => {
            if !directory.keepalive(now, from, name) {
                Counters::one(&counters.refused_other);
            }
            return None;
        }
        Datagram::Extended(Extended::KeepAlive { version }) => {
            return (!directory.keepalive_extended(now, from, version)).then_some(Refusal::Unknown);
        }
        Datagram::Extended(Extended::Leave { time, .. }) => {
            if !directory.leave(now, from, time, |key| checks.holds(now, from, key, bytes, counters)) {
                Counters::one(&counters.refused_other);
            }
            return None;
        }
        _ => {
            Counters::one(&counters.refused_other);
            return None;
        }
    };
    match verdict {
        Verdict::Taken => Counters::one(&counters.opened),
        Verdict::Known => {}
        Verdict::Refused { why, tell } => {
            Counters::one(if why == Refusal::Full { &counters.refused_full } else { &counters.refused_other });
            return tell.then_some(why);
        }
    }
    None
}
