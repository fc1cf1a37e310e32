//! One form of each address, and what of it stands for one person.

use std::net::{IpAddr, SocketAddr};

/// The form in which addresses are compared and shown: an IPv4 address that is mapped into IPv6 (RFC 4291, 2.5.5.2) is an IPv4
/// address.
#[must_use]
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// An address of IPv4; of IPv6 the /64, which is what one person has.
pub(crate) fn prefix(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v6_network_and_a_mapped_address_are_one() {
        let at = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_eq!(at("::ffff:127.0.0.1"), at("127.0.0.1"));
        let there = |text: &str| canonical(text.parse().unwrap());
        assert_eq!(there("[::ffff:127.0.0.1]:9"), there("127.0.0.1:9"));
        assert_ne!(there("[2001:db8::1]:9"), there("[2001:db8::2]:9"));
    }
}
