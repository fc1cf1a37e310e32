//! Who has the port of a directory on this machine.
//!
//! A legacy directory that is ended and started again between two heartbeats leaves no trace on the wire: nobody is refused, it
//! says nothing to whom it does not know, and to ask it by a BIRTH disturbs everybody. The system's list of sockets shows that
//! another one has the port. Where there is no such list, or the directory is on another machine, only a refusal tells.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The list of UDP sockets of IPv4, as Linux has it (proc_net(5)).
const SOCKETS: &str = "/proc/net/udp";
/// Bytes of the list that are read: some 30,000 sockets.
const MAX_LIST: u64 = 4 << 20;

/// The sockets that have a port.
#[derive(Debug)]
pub(super) struct Holder {
    addr: Option<(Ipv4Addr, u16)>,
    seen: BTreeSet<u64>,
}

impl Holder {
    pub(super) fn new(directory: SocketAddr) -> Self {
        let addr = match directory.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Some((ip, directory.port())),
            _ => None,
        };
        Self { addr, seen: BTreeSet::new() }
    }

    /// Whether those that had the port when it was last looked are gone and others have it now.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some((ip, port)) = self.addr else { return false };
        let mut list = String::new();
        let read = File::open(SOCKETS).and_then(|file| file.take(MAX_LIST).read_to_string(&mut list));
        if read.is_err() {
            return false;
        }
        self.look(&holders(&list, ip, port))
    }

    /// Nobody there is no change: the system then refuses the heartbeat.
    fn look(&mut self, now: &BTreeSet<u64>) -> bool {
        if now.is_empty() {
            return false;
        }
        let changed = !self.seen.is_empty() && self.seen.is_disjoint(now);
        self.seen.clone_from(now);
        changed
    }
}

/// The inodes of the sockets that are bound to a port, on an address or on all.
fn holders(list: &str, ip: Ipv4Addr, port: u16) -> BTreeSet<u64> {
    let holder = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (at, at_port) = words.nth(1)?.split_once(':')?;
        // In the order of this machine's bytes.
        let at = Ipv4Addr::from(u32::from_str_radix(at, 16).ok()?.to_ne_bytes());
        let bound = u16::from_str_radix(at_port, 16).ok()? == port && (at == ip || at.is_unspecified());
        let inode = words.nth(7)?.parse().ok()?;
        bound.then_some(inode)
    };
    list.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn another_socket_on_the_port_is_seen() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let mut holder = Holder::new(addr);
        assert!(!holder.has_changed() && !holder.has_changed(), "the same all the time");
        drop(socket);
        assert!(!holder.has_changed(), "nobody is refused by the system");
        let _again = UdpSocket::bind(addr).unwrap();
        assert!(holder.has_changed() && !holder.has_changed());
        let everywhere: SocketAddr = "192.0.2.1:3000".parse().unwrap();
        assert!(!Holder::new(everywhere).has_changed());
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_list_is_read() {
        let list = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:0BB8 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0000000000000000 0\n\
            2: 00000000:0BB8 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 78 2 0000000000000000 0\n\
            3: 0200007F:0BB8 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 79 2 0000000000000000 0\n\
            4: 0100007F:0BB9 00000000:0000 07 junk\n";
        assert_eq!(holders(list, Ipv4Addr::LOCALHOST, 3_000), BTreeSet::from([77, 78]));
        assert_eq!(holders(list, Ipv4Addr::LOCALHOST, 3_001), BTreeSet::new());
    }
}
