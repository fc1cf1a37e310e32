//! Opening doors: settings checked, sockets bound, then served.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rumormill_doors::porch::MAX_INCOMING;
use rumormill_doors::{DoorError, DoorKind, Porch, RoomEnd, Spec, SpecError};
use rumormill_doors::{classroom, peer_line, porch, protobuf_peer, push_pull, relay_43110, udp_mesh};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::bridge::Way;
use super::{Bridge, OpenDoor};
use crate::control::{Crash, Desk};
use crate::handle::NodeHandle;
use crate::letters::{Kept, LettersDesk};
use crate::lock;

/// Checked settings of one door.
enum Settings {
    Classroom(classroom::Config),
    PeerLine(peer_line::Config),
    ProtobufPeer(protobuf_peer::Config),
    PushPull(push_pull::Config),
    UdpMesh(udp_mesh::Config),
    Relay(relay_43110::Config),
}

impl Settings {
    fn of(spec: &Spec) -> Result<Self, SpecError> {
        Ok(match spec.kind {
            DoorKind::Classroom => Self::Classroom(classroom::Config::from_spec(spec)?),
            DoorKind::PeerLine => Self::PeerLine(peer_line::Config::from_spec(spec)?),
            DoorKind::ProtobufPeer => Self::ProtobufPeer(protobuf_peer::Config::from_spec(spec)?),
            DoorKind::PushPull => Self::PushPull(push_pull::Config::from_spec(spec)?),
            DoorKind::Relay43110 => Self::Relay(relay_43110::Config::from_spec(spec)?),
            DoorKind::UdpMesh => Self::UdpMesh(udp_mesh::Config::from_spec(spec)?),
        })
    }
}

/// Checks what was asked for.
///
/// # Errors
/// Names the door, the key and what is allowed.
pub(crate) fn check(specs: &[Spec]) -> Result<(), SpecError> {
    specs.iter().try_for_each(|spec| Settings::of(spec).map(drop))
}

/// A door that is bound and not yet served.
enum Door {
    Classroom(classroom::Door),
    PeerLine(peer_line::Door),
    ProtobufPeer(protobuf_peer::Door),
    PushPull(push_pull::Door),
    UdpMesh(udp_mesh::Door),
    Relay(relay_43110::Door),
}

/// All doors of a node, bound before it starts: an address that is taken stops the start and nothing else.
pub(crate) struct Bound {
    doors: Vec<(String, Door)>,
}

impl Bound {
    /// Binds all of them.
    pub(crate) async fn bind(specs: &[Spec], state: Option<&Path>) -> Result<Self, DoorError> {
        let mut doors: Vec<(String, Door)> = Vec::new();
        for spec in specs {
            let kind = spec.kind.name();
            let others = doors.iter().filter(|(name, _)| kind_of(name) == kind).count();
            let name = if others == 0 { kind.to_owned() } else { format!("{kind}#{}", others + 1) };
            let door = match Settings::of(spec)? {
                Settings::Classroom(config) => Door::Classroom(classroom::Door::bind(config).await?),
                Settings::PeerLine(config) => Door::PeerLine(peer_line::Door::bind(config).await?),
                Settings::ProtobufPeer(config) => Door::ProtobufPeer(protobuf_peer::Door::bind(config).await?),
                Settings::PushPull(config) => Door::PushPull(push_pull::Door::bind(config).await?),
                Settings::Relay(config) => Door::Relay(relay_43110::Door::bind(config).await?),
                Settings::UdpMesh(mut config) => {
                    config.state = state.map(|dir| dir.join(format!("{}.members", name.replace('#', "-"))));
                    Door::UdpMesh(udp_mesh::Door::bind(config).await?)
                }
            };
            doors.push((name, door));
        }
        Ok(Self { doors })
    }

    /// Whether one of them hands out letters.
    pub(crate) fn need_letters(&self) -> bool {
        self.doors.iter().any(|(_, door)| matches!(door, Door::PushPull(_)))
    }

    /// Serves them until the node stops. `letters` are there if [`Bound::need_letters`] says so.
    pub(crate) fn serve(self, node: &NodeHandle, since_us: u64, letters: Option<Kept>) {
        let (stop, stopped) = watch::channel(false);
        let (mut ways, mut open, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        let porches = self.doors.into_iter().map(|(name, door)| (name, door, porch(node.name(), stopped.clone())));
        let porches: Vec<_> = porches.collect();
        // Letters to older nodes go out by the first door of theirs.
        let relay = porches.iter().find(|(name, ..)| is_relay(name)).map(|(_, _, (_, end))| end.sender());
        let desk = letters.map(|kept| LettersDesk::start(kept, node, relay));
        for (name, door, (door_end, room_end)) in porches {
            open.push(OpenDoor { name: name.clone(), listen: door.local_addr(), counters: room_end.counters.clone() });
            let way = door.serve(name, (door_end, room_end), node, desk.as_ref(), &mut tasks);
            ways.push(way);
        }
        for door in &open {
            if kind_of(&door.name) == DoorKind::Classroom.name() {
                tracing::info!(door = door.name, listen = %door.listen, "a door is open: whoever reaches it speaks as this node");
            } else {
                tracing::info!(door = door.name, listen = %door.listen, "a door is open: what comes in is unverified");
            }
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

impl Door {
    fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Classroom(door) => door.local_addr(),
            Self::PeerLine(door) => door.local_addr(),
            Self::ProtobufPeer(door) => door.local_addr(),
            Self::PushPull(door) => door.local_addr(),
            Self::UdpMesh(door) => door.local_addr(),
            Self::Relay(door) => door.local_addr(),
        }
    }

    fn serve(
        self,
        name: String,
        (porch, end): (Porch, RoomEnd),
        node: &NodeHandle,
        letters: Option<&LettersDesk>,
        tasks: &mut JoinSet<()>,
    ) -> Way {
        let also = letters.filter(|_| is_relay(&name)).map(|desk| {
            let (also, coming) = mpsc::channel(MAX_INCOMING);
            tokio::spawn(desk.clone().take_from(coming));
            also
        });
        let gets_room = match self {
            Self::Classroom(door) => {
                let (_, started) = watch::channel(Some(node.clone()));
                let desk = Desk::new(started, Crash::Refused, Arc::clone(&porch.counters));
                tasks.spawn(door.run(porch, desk));
                false
            }
            Self::PeerLine(door) => {
                tasks.spawn(door.run(porch));
                true
            }
            Self::ProtobufPeer(door) => {
                tasks.spawn(door.run(porch));
                true
            }
            Self::PushPull(door) => {
                if let Some(desk) = letters {
                    tasks.spawn(door.run(porch, desk.clone()));
                }
                false
            }
            Self::Relay(door) => {
                tasks.spawn(door.run(porch));
                true
            }
            Self::UdpMesh(door) => {
                tasks.spawn(door.run(porch));
                true
            }
        };
        Way { name, end, gets_room, also }
    }
}

/// Whether a door of this name is one to older nodes, which send and take what becomes a letter.
fn is_relay(name: &str) -> bool {
    kind_of(name) == DoorKind::Relay43110.name()
}

/// A door's name without its number among those of its kind.
fn kind_of(name: &str) -> &str {
    name.split('#').next().unwrap_or(name)
}
