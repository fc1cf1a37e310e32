//! Opening doors: settings checked, sockets bound, then served. Of no door anything is known but what it says of itself.

use std::path::Path;
use std::sync::Arc;

use rumormill_doors::port::MAX_INCOMING;
use rumormill_doors::{
    BoundDoor, Counters, DoorError, Files, Kind, LetterUse, Services, Spec, SpecError, find, kinds, port,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Bridge;
use super::bridge::BridgedDoor;
use super::written_files::WrittenFiles;
use crate::config::NodeConfig;
use crate::control::{Crash, Desk};
use crate::door_share::Share;
use crate::handle::NodeHandle;
use crate::letters::{DoorLetters, LetterStore, LettersDesk};
use crate::lock;
use crate::open_door::OpenDoor;

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

    fn letters(&self) -> Option<DoorLetters> {
        Some(DoorLetters::new(self.letters.clone()?, Arc::clone(&self.share)))
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
pub(crate) fn check(config: &NodeConfig) -> Result<(), SpecError> {
    let mut written = WrittenFiles::of_node(config);
    for door in named(&config.doors, config.state.as_deref()) {
        let (spec, kind, files) = door?;
        written.take(&files.door, kind.writes(spec, &files)?)?;
    }
    Ok(())
}

type Named<'a> = (&'a Spec, Kind<NodeServices>, Files);

/// Each door with its kind, and its name in its node: its kind, with a number from the second of that kind on.
fn named<'a>(specs: &'a [Spec], state: Option<&'a Path>) -> impl Iterator<Item = Result<Named<'a>, SpecError>> {
    specs.iter().enumerate().map(move |(n, spec)| {
        let before = specs.iter().take(n).filter(|other| other.kind == spec.kind).count();
        let door = match before {
            0 => spec.kind.clone(),
            before => format!("{}#{}", spec.kind, before.saturating_add(1)),
        };
        Ok((spec, find(spec)?, Files { dir: state.map(Path::to_owned), door }))
    })
}

/// All doors of a node, bound before it starts: an address that is taken stops the start and nothing else.
pub(crate) struct Bound {
    doors: Vec<(String, BoundDoor<NodeServices>)>,
}

impl Bound {
    /// Checks the settings of all doors and binds their sockets; of one that fails, none stays bound.
    pub(crate) async fn bind(specs: &[Spec], state: Option<&Path>) -> Result<Self, DoorError> {
        let mut doors: Vec<(String, BoundDoor<NodeServices>)> = Vec::new();
        for door in named(specs, state) {
            let (spec, kind, files) = door?;
            let name = files.door.clone();
            doors.push((name, kind.bind(spec, files).await?));
        }
        Ok(Self { doors })
    }

    /// Whether one of them hands out letters.
    pub(crate) fn need_letters(&self) -> bool {
        self.doors.iter().any(|(_, door)| door.about.letters == LetterUse::Needed)
    }

    /// Serves them until the node stops. `letters` are there if [`Bound::need_letters`] says so.
    pub(crate) fn serve(self, node: &NodeHandle, since_us: u64, letters: Option<LetterStore>) {
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
            ways.push(BridgedDoor { name, end, share, gets_room: about.hears_room, also });
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

fn say_open(door: &str, bound: &BoundDoor<NodeServices>) {
    let listen = bound.local_addr;
    if bound.about.speaks_as_node {
        tracing::info!(door, %listen, "a door is open: whoever reaches it speaks as this node");
    } else {
        tracing::info!(door, %listen, "a door is open: what comes in is unverified");
    }
}
