//! The menu chat carried by the mesh (docs/protocol.md, M): a menu at a running node, by its local socket.
//!
//! A menu opens no port. What it says are chat messages of a room of their own, and its address is that of its node with the
//! port that its user gave. `room` is what it makes of the room's log, `follow` reads that, `transport` writes to it.

mod errors;
mod follow;
mod present;
mod room;
mod transport;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rumormill_api::{Client, ClientError};
use rumormill_doors::DoorError;
use rumormill_doors::peer_line::menu::{Arrived, MAX_ARRIVED, Open};
use rumormill_limits::file::Held;
use rumormill_wire::NodeId;
use rumormill_wire::peer_line::mesh::is_menu;
use tokio::sync::mpsc;

use errors::{broken, taken};
use follow::Follow;
use present::Holder;
use room::{Room, lock};

pub(crate) use transport::MeshTransport;

/// A menu that has found its node.
#[derive(Debug)]
pub(crate) struct MeshMenu {
    socket: PathBuf,
    client: Client,
    node: NodeId,
    ip: IpAddr,
}

/// What to do about an address that no menu can have.
pub(crate) const NEXT_ADDRESS: &str = "give the address of one machine with --listen";

impl MeshMenu {
    /// Whether a menu can have this address: that of one machine.
    pub(crate) fn may_have(ip: IpAddr) -> bool {
        is_menu(SocketAddr::new(ip.to_canonical(), 1))
    }

    /// Finds the node. The address of the menu is the one that its node listens on, or `ip`.
    ///
    /// # Errors
    /// No node answers at the socket, or no menu can have that address.
    pub(crate) async fn find(socket: PathBuf, ip: Option<IpAddr>) -> Result<Self, DoorError> {
        let mut client = Client::connect(&socket).await.map_err(broken)?;
        let info = client.info().await.map_err(broken)?;
        let (Ok(node), Ok(listen)) = (info.node.parse(), info.listen.parse::<SocketAddr>()) else {
            return Err(broken(ClientError::Answer));
        };
        let ip = ip.unwrap_or_else(|| reachable(listen.ip())).to_canonical();
        if !Self::may_have(ip) {
            let next = NEXT_ADDRESS.to_owned();
            return Err(DoorError::Carrier { reason: format!("no menu can have the address {ip}"), next });
        }
        Ok(Self { socket, client, node, ip })
    }
}

/// An address by which others know the node; one that listens everywhere is at least at home.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

impl Open for MeshMenu {
    type Transport = MeshTransport;

    async fn open(self, name: &str, port: u16) -> Result<(MeshTransport, Arrived), DoorError> {
        let own = SocketAddr::new(self.ip, port);
        let held = self.socket.with_file_name(format!("menu-{own}.lock"));
        let held = Held::take(held).map_err(DoorError::io(rumormill_doors::peer_line::KIND, "lock", own))?;
        let Some(held) = held else { return Err(taken(own, "another menu of this node")) };
        let room = Arc::new(Mutex::new(Room::new(own, self.node)));
        let (show, arrived) = mpsc::channel(MAX_ARRIVED);
        let follow = Follow::begin(self.socket.clone(), Arc::clone(&room), show.clone()).await?;
        lock(&room).open().map_err(|holder| taken(own, &format!("a menu of node {}", who(&holder))))?;
        let news = follow.news();
        let following = tokio::spawn(follow.run());
        let (socket, client, team) = (self.socket, Some(self.client), name.to_owned());
        let held = Some(held);
        let mut transport = MeshTransport { socket, client, team, room, news, show, following, held };
        transport.announce().await.map_err(broken)?;
        Ok((transport, arrived))
    }
}

/// A node, for people.
fn who(holder: &Holder) -> String {
    let id: String = holder.node.to_string().chars().take(8).collect();
    match &holder.name {
        Some(name) => format!("{} ({id})", rumormill_doors::cut::shown(name)),
        None => id,
    }
}

#[cfg(test)]
mod node_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_is_at_home() {
        for (listens, is) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("::ffff:0.0.0.0", "127.0.0.1"),
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), is.parse::<IpAddr>().unwrap(), "{listens}");
        }
    }
}
