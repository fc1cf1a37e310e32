//! The door as a peer of somebody else's directory.

use std::sync::Arc;

use tracing::{info, warn};

use super::peer::Tell;
use super::station::{Event, Station};
use crate::{Incoming, Outgoing, Porch};

/// Serves until the porch says stop or the node drops its end.
pub(super) async fn run(mut station: Station, mut porch: Porch) {
    station.counters = Arc::clone(&porch.counters);
    loop {
        tokio::select! {
            event = station.event() => match event {
                Event::Text { claimed, text, from } => {
                    porch.into_room.try_send(Incoming { claimed, text, from: Some(from.ip()) });
                }
                Event::Tell(tell) => say(&station, tell),
            },
            outgoing = porch.from_room.recv() => match outgoing {
                Some(outgoing) => send(&mut station, outgoing),
                None => break,
            },
            _ = porch.stop.wait_for(|stop| *stop) => break,
        }
    }
    station.leave().await;
}

fn send(station: &mut Station, outgoing: Outgoing) {
    let Outgoing { text, line, to, done, .. } = outgoing;
    match to {
        None => station.send(&line, |_, _| true, done),
        Some(ip) => station.send(&text, |addr, _| addr.ip() == ip, done),
    };
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
