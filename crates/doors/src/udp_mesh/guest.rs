//! The door as a peer of somebody else's directory.

use std::sync::Arc;

use tracing::{info, warn};

use super::peer::Tell;
use super::station::{Station, StationEvent};
use crate::port::{Datagrams, Incoming, Port};

/// Serves until it is told to stop or the node drops its end.
pub(super) async fn run(mut station: Station, mut port: Port) {
    station.counters = Arc::clone(&port.counters);
    let mut into_room = Datagrams::new(port.into_room.clone());
    loop {
        tokio::select! {
            event = station.event() => match event {
                StationEvent::Text { claimed, text, from } => {
                    let member = station.peer().peers().contains_key(&from).then_some(from);
                    into_room.push(member, Incoming { claimed, text, from: Some(from.ip()) });
                }
                StationEvent::Tell(tell) => say(&station, tell),
            },
            () = into_room.has_room() => into_room.give(),
            outgoing = port.from_room.recv() => match outgoing {
                Some(outgoing) => {
                    let (author, to, text, done) = outgoing.into_parts();
                    station.send(author, &text, |addr, _| to.is_none_or(|ip| addr.ip() == ip), done);
                }
                None => break,
            },
            _ = port.stop.wait_for(|stop| *stop) => break,
        }
    }
    station.leave();
}

fn say(station: &Station, tell: Tell) {
    let (name, directory) = (&station.peer().settings().name, station.peer().settings().directory);
    match tell {
        Tell::Registered => info!(%name, %directory, "udp-mesh: registered"),
        Tell::LeftOut => warn!(%name, %directory, "udp-mesh: in no directory; BIRTH is sent again"),
        Tell::Refused(why) => warn!(%name, %directory, %why, "udp-mesh: not taken"),
        Tell::Lost => warn!(%name, %directory, "udp-mesh: no longer in the directory; BIRTH is sent again"),
    }
}
