//! Opening doors: settings checked, sockets bound, then served. Of no door anything is known but what it says of itself.

use std::path::Path;
use std::sync::Arc;

use rumormill_doors::port::MAX_INCOMING;
use rumormill_doors::{
    About, BoundDoor, Counters, DoorError, Files, LetterUse, Services, Spec, SpecError, find, kinds, port,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::bridge::Way;
use super::{Bridge, OpenDoor};
use crate::control::{Crash, Desk};
use crate::door_share::Share;
use crate::handle::NodeHandle;
use crate::letters::{DoorLetters, Kept, LettersDesk};
use crate::lock;

/// What this node offers to its doors.
#[derive(Clone)]
struct NodeServices {
    node: NodeHandle,
    letters: Option<LettersDesk>,
    /// Of the door that they are for.
    share: Arc<Share>,
}

impl Services for NodeServices {
    type Letters = DoorLetters;
    type Chat = Desk;

    fn letters(&self, counters: &Arc<Counters>) -> Option<DoorLetters> {
        Some(DoorLetters::new(self.letters.clone()?, Arc::clone(&self.share), Arc::clone(counters)))
    }

    fn chat(&self, counters: &Arc<Counters>) -> Desk {
        let (_, started) = watch::channel(Some(self.node.clone()));
        Desk::new(started, Crash::Refused, Arc::clone(&self.share), Arc::clone(counters))
    }
}

/// All kinds of doors, as people write them.
#[must_use]
pub fn door_kinds() -> Vec<&'static str> {
    kinds::<NodeServices>().iter().map(|kind| kind.about.kind).collect()
}

/// Checks what was asked for.
///
/// # Errors
/// Names the door, the key and what is allowed.
pub(crate) fn check(specs: &[Spec]) -> Result<(), SpecError> {
    specs.iter().try_for_each(|spec| find::<NodeServices>(spec)?.check(spec))
}

/// All doors of a node, bound before it starts: an address that is taken stops the start and nothing else.
pub(crate) struct Bound {
    doors: Vec<(String, BoundDoor<NodeServices>)>,
}

impl Bound {
    /// Binds all of them.
    pub(crate) async fn bind(specs: &[Spec], state: Option<&Path>) -> Result<Self, DoorError> {
        let mut doors: Vec<(String, BoundDoor<NodeServices>)> = Vec::new();
        for spec in specs {
            let kind = find(spec)?;
            let others = doors.iter().filter(|(_, door)| door.about == kind.about).count();
            let name = name(kind.about, others);
            let door = kind.bind(spec, Files { dir: state.map(Path::to_owned), door: name.clone() }).await?;
            doors.push((name, door));
        }
        Ok(Self { doors })
    }

    /// Whether one of them hands out letters.
    pub(crate) fn need_letters(&self) -> bool {
        self.doors.iter().any(|(_, door)| door.about.letters == LetterUse::Needed)
    }

    /// Serves them until the node stops. `letters` are there if [`Bound::need_letters`] says so.
    pub(crate) fn serve(self, node: &NodeHandle, since_us: u64, letters: Option<Kept>) {
        let (stop, stopped) = watch::channel(false);
        let (mut ways, mut open, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        let ports = self.doors.into_iter().map(|(name, door)| (name, door, port(node.name(), stopped.clone())));
        let ports: Vec<_> = ports.collect();
        // Letters to legacy nodes go out by the first door that carries them.
        let carrier = ports.iter().find(|(_, door, _)| door.about.letters == LetterUse::Carried);
        let carrier = carrier.map(|(_, _, (_, end))| end.sender());
        let pulled_by = ports.iter().filter(|(_, door, _)| door.about.letters == LetterUse::Needed);
        let pulled_by = pulled_by.map(|(_, _, (_, end))| Arc::clone(&end.counters)).collect();
        let letters = letters.map(|kept| LettersDesk::start(kept, node, carrier, pulled_by));
        for (name, door, (door_end, end)) in ports {
            let (about, listen) = (door.about, door.local_addr);
            say_open(&name, &door);
            open.push(OpenDoor { name: name.clone(), listen, counters: end.counters.clone() });
            let share = Arc::new(Share::of_each(node.0.ways_in));
            let services = NodeServices { node: node.clone(), letters: letters.clone(), share: Arc::clone(&share) };
            let carries = letters.clone().filter(|_| about.letters == LetterUse::Carried);
            let also = carries.map(|desk| {
                let (also, coming) = mpsc::channel(MAX_INCOMING);
                tokio::spawn(desk.take_from(coming, Arc::clone(&end.counters)));
                also
            });
            tasks.spawn(door.run(door_end, services));
            ways.push(Way { name, end, share, gets_room: about.hears_room, also });
        }
        lock(&node.0.doors).extend(open);
        let (closing, closed) = watch::channel(());
        let _ = node.0.doors_closed.set(closed);
        let node = node.clone();
        tokio::spawn(async move {
            let _closing = closing;
            let bridge = Bridge::new(node.clone(), since_us);
            tokio::select! {
                () = bridge.run(ways) => {}
                () = node.stopped() => {}
            }
            // They say goodbye where their protocol has that.
            let _ = stop.send(true);
            let all = async { while tasks.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(crate::handle::SHUTDOWN_DEADLINE, all).await;
        });
    }
}

/// A door's name in its node: its kind, with a number from the second of that kind on.
fn name(about: About, others: usize) -> String {
    match others {
        0 => about.kind.to_owned(),
        others => format!("{}#{}", about.kind, others.saturating_add(1)),
    }
}

fn say_open(door: &str, bound: &BoundDoor<NodeServices>) {
    let listen = bound.local_addr;
    if bound.about.speaks_as_node {
        tracing::info!(door, %listen, "a door is open: whoever reaches it speaks as this node");
    } else {
        tracing::info!(door, %listen, "a door is open: what comes in is unverified");
    }
}
