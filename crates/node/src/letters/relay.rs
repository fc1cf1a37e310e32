//! Letters to older nodes: to each address one at a time, the oldest first, until the door says that it was written.
//! One that a crash catches between that and its note here goes out again: rather twice than never.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use rumormill_doors::{Outgoing, ReceiverError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::inbox::Relayed;
use super::post::LettersDesk;
use crate::clock::after;
use crate::lock;

/// After a letter could not be sent, so long nothing goes to its address; twice that after the next.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Pauses grow no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Addresses that letters are on their way to at once.
const MAX_AT_ONCE: usize = 64;

/// Why nothing more is sent to an address now. Addresses here are of letters that wait, and bounded like those.
enum AddressState {
    /// A letter is with the door.
    OnItsWay(Duration),
    /// Nothing goes there until then, and for longer the next time it fails.
    Until(Instant, Duration),
}

/// Sends letters to older nodes until the node stops.
pub(crate) async fn run(desk: LettersDesk, door: mpsc::Sender<Outgoing>) {
    let node = desk.0.node.clone();
    let (mut held, mut sending) = (BTreeMap::new(), JoinSet::new());
    loop {
        let there = std::mem::take(&mut *lock(&desk.0.there));
        held.retain(|to, why| !matches!(why, AddressState::Until(..)) || !there.contains(to));
        for (id, letter) in due(&desk, &mut held, sending.len()).await {
            let pause = match held.get(&letter.to) {
                Some(AddressState::Until(_, pause) | AddressState::OnItsWay(pause)) => *pause,
                None => FIRST_PAUSE,
            };
            held.insert(letter.to, AddressState::OnItsWay(pause));
            let (name, door) = (node.name().to_owned(), door.clone());
            sending.spawn(async move { (id, letter.to, send(name, &door, letter).await) });
        }
        let pauses =
            held.values().filter_map(|held| if let AddressState::Until(at, _) = held { Some(*at) } else { None });
        let next = pauses.min().unwrap_or_else(|| after(LONGEST_PAUSE));
        tokio::select! {
            () = node.stopped() => return,
            () = desk.0.to_relay.notified() => {}
            () = sleep_until(next) => {}
            Some(Ok((id, to, sent))) = sending.join_next() => match sent {
                Ok(()) => {
                    held.remove(&to);
                    if let Err(why) = desk.with_inbox(move |inbox| inbox.gone(vec![id])).await {
                        let why = why.to_string();
                        tracing::warn!(%to, why, "that a letter has gone out cannot be kept; it will go out again");
                        held.insert(to, AddressState::Until(after(LONGEST_PAUSE), LONGEST_PAUSE));
                    }
                    desk.0.room.notify_one();
                }
                Err(why) => {
                    let pause = match held.get(&to) {
                        Some(AddressState::OnItsWay(pause)) => *pause,
                        _ => FIRST_PAUSE,
                    };
                    tracing::info!(%to, why, "a letter did not go out; it is tried again");
                    let longer = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    held.insert(to, AddressState::Until(after(pause), longer));
                }
            },
        }
    }
}

/// The oldest letter to each address that nothing holds back.
async fn due(
    desk: &LettersDesk,
    held: &mut BTreeMap<IpAddr, AddressState>,
    on_their_way: usize,
) -> Vec<(u64, Relayed)> {
    let now = Instant::now();
    let holds = |held: &AddressState| !matches!(held, AddressState::Until(at, _) if *at <= now);
    let not_now: Vec<IpAddr> = held.iter().filter(|(_, why)| holds(why)).map(|(to, _)| *to).collect();
    let room = MAX_AT_ONCE.saturating_sub(on_their_way);
    let oldest = move |inbox: &mut super::inbox::Inbox| {
        let mut found: BTreeMap<IpAddr, (u64, Relayed)> = BTreeMap::new();
        for (id, letter) in inbox.relayed.iter().filter(|(_, letter)| !not_now.contains(&letter.to)) {
            if found.len() < room && !found.contains_key(&letter.to) {
                found.insert(letter.to, (*id, letter.clone()));
            }
        }
        Ok(found.into_values().collect::<Vec<_>>())
    };
    let due = desk.with_inbox(oldest).await.unwrap_or_default();
    // A pause that is over is over; one whose letter goes out now still counts for the next.
    held.retain(|to, why| holds(why) || due.iter().any(|(_, letter)| letter.to == *to));
    due
}

/// Whether there is an older node at an address. One that nobody has heard of and that takes no dial is none.
pub(crate) async fn reach(door: &Option<mpsc::Sender<Outgoing>>, to: IpAddr) -> Result<(), ReceiverError> {
    let door = door.as_ref().ok_or(ReceiverError::DoorClosed)?;
    let (done, told) = oneshot::channel();
    let (sender, text, line) = Default::default();
    door.send(Outgoing { author: None, sender, text, line, to: Some(to), done: Some(done) })
        .await
        .map_err(|_| ReceiverError::DoorClosed)?;
    told.await.map_err(|_| ReceiverError::DoorClosed)?.map_err(ReceiverError::from)
}

async fn send(sender: String, door: &mpsc::Sender<Outgoing>, letter: Relayed) -> Result<(), String> {
    let Relayed { to, contents } = letter;
    let (done, told) = oneshot::channel();
    let line = contents.clone();
    let outgoing = Outgoing { author: None, sender, text: contents, line, to: Some(to), done: Some(done) };
    door.try_send(outgoing).map_err(|_| "the door takes no more now".to_owned())?;
    let told = told.await.map_err(|_| "the door has let it go".to_owned())?;
    told.map_err(|why| why.to_string())
}
