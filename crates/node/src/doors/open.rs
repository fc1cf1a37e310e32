//! Opening doors: settings checked, sockets bound, then served.

use std::net::SocketAddr;
use std::path::Path;

use rumormill_doors::{DoorError, DoorKind, Porch, RoomEnd, Spec, SpecError};
use rumormill_doors::{classroom, peer_line, porch, protobuf_peer, relay_43110, udp_mesh};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::bridge::Way;
use super::{Bridge, OpenDoor};
use crate::control::{Crash, Desk};
use crate::handle::NodeHandle;

/// Checked settings of one door.
enum Settings {
    Classroom(classroom::Config),
    PeerLine(peer_line::Config),
    ProtobufPeer(protobuf_peer::Config),
    Relay43110(relay_43110::Config),
    UdpMesh(udp_mesh::Config),
}

impl Settings {
    fn of(spec: &Spec) -> Result<Self, SpecError> {
        Ok(match spec.kind {
            DoorKind::Classroom => Self::Classroom(classroom::Config::from_spec(spec)?),
            DoorKind::PeerLine => Self::PeerLine(peer_line::Config::from_spec(spec)?),
            DoorKind::ProtobufPeer => Self::ProtobufPeer(protobuf_peer::Config::from_spec(spec)?),
            DoorKind::Relay43110 => Self::Relay43110(relay_43110::Config::from_spec(spec)?),
            DoorKind::UdpMesh => Self::UdpMesh(udp_mesh::Config::from_spec(spec)?),
            _ => return Err(spec.error("not yet")),
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
    Relay43110(relay_43110::Door),
    UdpMesh(udp_mesh::Door),
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
            let others = doors.iter().filter(|(name, _)| name.split('#').next() == Some(kind)).count();
            let name = if others == 0 { kind.to_owned() } else { format!("{kind}#{}", others + 1) };
            let door = match Settings::of(spec)? {
                Settings::Classroom(config) => Door::Classroom(classroom::Door::bind(config).await?),
                Settings::PeerLine(config) => Door::PeerLine(peer_line::Door::bind(config).await?),
                Settings::ProtobufPeer(config) => Door::ProtobufPeer(protobuf_peer::Door::bind(config).await?),
                Settings::Relay43110(config) => Door::Relay43110(relay_43110::Door::bind(config).await?),
                Settings::UdpMesh(mut config) => {
                    config.state = state.map(|dir| dir.join(format!("{}.members", name.replace('#', "-"))));
                    Door::UdpMesh(udp_mesh::Door::bind(config).await?)
                }
            };
            doors.push((name, door));
        }
        Ok(Self { doors })
    }

    /// Serves them until the node stops.
    pub(crate) fn serve(self, node: &NodeHandle, since_us: u64) {
        let (stop, stopped) = watch::channel(false);
        let (mut ways, mut open, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        for (name, door) in self.doors {
            let (door_end, room_end) = porch(node.name(), stopped.clone());
            open.push(OpenDoor { name: name.clone(), listen: door.local_addr(), counters: room_end.counters.clone() });
            let way = door.serve(name, (door_end, room_end), node, &mut tasks);
            ways.push(way);
        }
        for door in &open {
            tracing::info!(door = door.name, listen = %door.listen, "a door is open: what comes in is unverified");
        }
        let _ = node.0.doors.set(open);
        let node = node.clone();
        tokio::spawn(async move {
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
            Self::Relay43110(door) => door.local_addr(),
            Self::UdpMesh(door) => door.local_addr(),
        }
    }

    fn serve(self, name: String, (porch, end): (Porch, RoomEnd), node: &NodeHandle, tasks: &mut JoinSet<()>) -> Way {
        let also: Option<mpsc::Sender<_>> = None;
        let gets_room = match self {
            Self::Classroom(door) => {
                let (_, started) = watch::channel(Some(node.clone()));
                tasks.spawn(door.run(porch, Desk::new(started, Crash::Refused)));
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
            Self::Relay43110(door) => {
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
