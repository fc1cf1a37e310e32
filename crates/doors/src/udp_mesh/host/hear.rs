//! What comes in by the two sockets.

use std::net::SocketAddr;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::{Extended, Refusal};

use super::super::directory::{Admit, Claim, Directory, Input, Output, Reject};
use super::super::socket::drain;
use super::super::texts::{Guard, KnownSender, ReceivedText, count_fault};
use super::super::verifier::Verifier;
use super::Host;
use crate::counters::Counters;
use crate::port::{Datagrams, Incoming};

/// Bytes of a datagram that are kept while those of members are heard; the longest BIRTH has fewer.
const MAX_KEPT: usize = 256;

impl Host {
    /// A batch of what came for the directory: that of members first, then what others may say.
    pub(super) fn hear_members(&mut self, counters: &Counters) -> bool {
        let now = self.now();
        let Self { socket, buffer, directory, verifier, refusals, gone, .. } = self;
        let mut hear = |directory: &mut Directory, from, bytes: &[u8]| {
            let refusal = Hearing { now, from, bytes, directory, verifier, gone, counters }.hear();
            if let Some(why) = refusal.filter(|_| refusals.take(now)) {
                let mut out = Vec::new();
                let encoded = Datagram::Extended(Extended::Refused(why)).encode(&mut out);
                debug_assert!(encoded.is_ok(), "{encoded:?}");
                // Whoever does not hear it asks again.
                let _ = socket.try_send_to(&out, from);
            }
        };
        let mut newcomers = Vec::new();
        let empty = drain(socket, buffer, |from, bytes| {
            let _ = directory.handle(now, Input::Traffic { len: bytes.len() });
            Counters::add(&counters.bytes_in, bytes.len());
            match directory.admit(now, from) {
                Admit::Member => hear(directory, from, bytes),
                // What is longer than anything that the directory takes is cut to what is still too long.
                Admit::Newcomer => newcomers.push((from, bytes.get(..MAX_KEPT).unwrap_or(bytes).to_vec())),
                Admit::Over => Counters::one(&counters.refused_rate),
            }
        });
        newcomers.iter().for_each(|(from, bytes)| hear(directory, *from, bytes));
        if matches!(empty, Ok(true)) {
            let _ = directory.handle(now, Input::Empty);
        }
        empty.unwrap_or(true)
    }

    pub(super) fn hear_peers(&mut self, into_room: &mut Datagrams, counters: &Counters) -> bool {
        let now = self.now();
        let Self { texts, buffer, directory, strangers, verifier, .. } = self;
        let empty = drain(&texts.socket, buffer, |from, bytes| {
            Counters::add(&counters.bytes_in, bytes.len());
            let heard = match Datagram::parse(bytes) {
                Ok(Datagram::Vanilla(text)) => ReceivedText { text, signed: None },
                Ok(Datagram::Extended(Extended::Text { time, text, .. })) => {
                    ReceivedText { text, signed: Some((time, bytes)) }
                }
                Ok(_) => return Counters::one(&counters.refused_other),
                Err(why) => return count_fault(counters, why.reason),
            };
            let signed = heard.signed.map(|(time, _)| time);
            let sender = directory.speaker_at(now, from, signed).map(|member| KnownSender {
                name: member.name(),
                key: member.own.as_ref().map(|own| own.key),
                said: &mut member.said,
                time: &mut member.time,
            });
            if let Some(claimed) = heard.claimed(now, from, sender, &mut Guard { strangers, verifier, counters }) {
                let member = directory.speaker_at(now, from, signed).map(|_| from);
                let text = heard.text.to_owned();
                into_room.push(member, Incoming { claimed, text, from: Some(from.ip()) });
            }
        });
        empty.unwrap_or(true)
    }
}

/// A datagram to the directory, and who has to do with it.
struct Hearing<'a> {
    now: Timestamp,
    from: SocketAddr,
    bytes: &'a [u8],
    directory: &'a mut Directory,
    verifier: &'a mut Verifier,
    gone: &'a mut Vec<SocketAddr>,
    counters: &'a Counters,
}

impl Hearing<'_> {
    /// The refusal that goes back, if any.
    fn hear(&mut self) -> Option<Refusal> {
        let from = self.from;
        let input = match Datagram::parse(self.bytes) {
            Ok(Datagram::Birth { name: character, port }) => Input::Birth { from, character, port },
            Ok(Datagram::Extended(Extended::Birth { time, key, addr, name, .. })) => {
                Input::Claim { from, claim: Claim { time, key, addr, name } }
            }
            Ok(Datagram::KeepAlive(character)) => Input::KeepAlive { from, character },
            Ok(Datagram::Extended(Extended::KeepAlive { version })) => Input::KeepAliveExtended { from, version },
            Ok(Datagram::Extended(Extended::Leave { time, .. })) => Input::Leave { from, time },
            Ok(_) => {
                Counters::one(&self.counters.refused_other);
                return None;
            }
            Err(why) => {
                count_fault(self.counters, why.reason);
                return None;
            }
        };
        let reject = self.feed(input).err()?;
        let counter = match reject.why {
            Refusal::Full => Some(&self.counters.refused_full),
            // One of ours that is asked to register again is not turned away.
            Refusal::Unknown if reject.tell => None,
            _ => Some(&self.counters.refused_other),
        };
        counter.map(Counters::one);
        reject.tell.then_some(reject.why)
    }

    fn feed(&mut self, input: Input<'_>) -> Result<(), Reject> {
        self.directory.handle(self.now, input)?;
        while let Some(output) = self.directory.poll_output() {
            match output {
                Output::Verify { from, key } => {
                    let holds = self.verifier.holds(self.now, from, &key, self.bytes, self.counters);
                    self.directory.handle(self.now, Input::Verified { holds })?;
                }
                Output::Joined { .. } => Counters::one(&self.counters.opened),
                Output::Gone { addr } => self.gone.push(addr),
                // There was no word of room for one.
                Output::Datagram { .. } => {}
            }
        }
        Ok(())
    }
}
