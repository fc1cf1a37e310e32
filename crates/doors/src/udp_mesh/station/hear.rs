//! What comes in by the two sockets.

use std::io;

use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::Extended;

use super::super::peer::Input;
use super::super::socket::drain;
use super::super::texts::{Guard, KnownSender, ReceivedText, count_fault};
use super::{MAX_EVENTS, Station, StationEvent};
use crate::counters::Counters;

impl Station {
    pub(super) fn hear_directory(&mut self) {
        let from = self.peer.settings().directory;
        let mut refused = Vec::new();
        let heard = drain(&self.speak, &mut self.buffer, |_, bytes| match Datagram::parse(bytes) {
            Ok(Datagram::Extended(Extended::Refused(why))) => refused.push(why),
            Ok(_) => Counters::one(&self.counters.refused_other),
            Err(why) => count_fault(&self.counters, why.reason),
        });
        for why in refused {
            self.feed(Input::Refused { from, why });
        }
        if heard.is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused) {
            self.feed(Input::Unreachable);
        }
    }

    pub(super) fn hear_peers(&mut self) -> bool {
        let now = self.now();
        let Self { peer, texts, strangers, verifier, events, buffer, counters, .. } = self;
        let empty = drain(&texts.socket, buffer, |from, bytes| {
            Counters::add(&counters.bytes_in, bytes.len());
            // What is not from the directory, or not in our form, counts for nothing.
            let mut feed = |input: Input<'_>| peer.handle(now, input).unwrap_or_default();
            let text = match Datagram::parse(bytes) {
                Ok(Datagram::Directory(entries)) => return feed(Input::Directory { from, entries }),
                Ok(Datagram::Extended(Extended::Part(part))) => return feed(Input::Part { from, part: &part }),
                Ok(Datagram::Extended(Extended::Changes(changes))) => {
                    return feed(Input::Changes { from, changes: &changes });
                }
                Ok(Datagram::Extended(Extended::Refused(why))) => return feed(Input::Refused { from, why }),
                Ok(Datagram::Vanilla(text)) => ReceivedText { text, signed: None },
                Ok(Datagram::Extended(Extended::Text { time, text, .. })) => {
                    ReceivedText { text, signed: Some((time, bytes)) }
                }
                Ok(_) => return Counters::one(&counters.refused_other),
                Err(why) => return count_fault(counters, why.reason),
            };
            let sender = peer.peer_at(from).map(|peer| KnownSender {
                name: peer.name.clone(),
                key: peer.key,
                said: &mut peer.said,
                time: &mut peer.time,
            });
            let Some(claimed) = text.claimed(now, from, sender, &mut Guard { strangers, verifier, counters }) else {
                return;
            };
            if events.len() < MAX_EVENTS {
                events.push_back(StationEvent::Text { claimed, text: text.text.to_owned(), from });
            } else {
                Counters::one(&counters.dropped_in);
            }
        });
        empty.unwrap_or(true)
    }
}
