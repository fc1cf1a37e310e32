//! One peer under two addresses of this machine.
//!
//! Debian's usual hosts file gives the host's own name 127.0.1.1. A program that listens on 127.0.0.1 then announces 127.0.1.1
//! with the same port, or the other way round. Those two with one port are one peer here. Other loopback addresses are not:
//! programs of one machine get such addresses to be told apart. Nor are two addresses of another machine: whether
//! they are one machine cannot be known, and many programs have the same port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What Debian gives the host's name.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// The other address under which the same peer may be spoken of.
#[must_use]
pub(super) fn twin(addr: SocketAddr) -> Option<SocketAddr> {
    let other = match addr.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => HOST,
        IpAddr::V4(HOST) => Ipv4Addr::LOCALHOST,
        _ => return None,
    };
    Some(SocketAddr::new(other.into(), addr.port()))
}

/// Whether two addresses are one peer's.
#[must_use]
pub(super) fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a == b || twin(a) == Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_addresses_of_a_hosts_file_with_one_port_are_one_peer() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(same(addr("127.0.0.1:9"), addr("127.0.1.1:9")) && same(addr("127.0.1.1:9"), addr("127.0.0.1:9")));
        for other in ["127.0.1.1:8", "127.0.0.2:9", "10.0.0.1:9"] {
            assert!(!same(addr("127.0.0.1:9"), addr(other)), "{other}");
        }
        assert_eq!(twin(addr("10.0.0.1:9")), None);
    }
}
