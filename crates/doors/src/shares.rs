//! What may go by UDP to receivers that have paid for nothing: so many bytes to each address, to each network of neighbours, and to
//! all together. A sender's address is easily forged in UDP, so all that is sent for little is bounded like this (RFC 9000, 8.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rumormill_limits::{Rate, Recent, Timestamp};

use crate::address::canonical;

/// Addresses that are remembered, and as many networks: the latest. One that is forgotten begins anew; what all have together does not.
const MAX_KNOWN: usize = 1_024;

/// Bytes at once and a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// For an address and port.
    pub(crate) each: Rate,
    /// For a /24 of IPv4, a /48 of IPv6.
    pub(crate) network: Rate,
    /// For all addresses together, which no forging of addresses gets around.
    pub(crate) all: Rate,
}

/// What is left of a share, and of each part of it.
#[derive(Debug)]
pub(crate) struct Shares {
    share: Share,
    each: Recent<SocketAddr, Rate, MAX_KNOWN>,
    networks: Recent<IpAddr, Rate, MAX_KNOWN>,
    held: u64,
}

impl Shares {
    pub(crate) const fn new(share: Share) -> Self {
        Self { share, each: Recent::new(), networks: Recent::new(), held: 0 }
    }

    /// Takes so many bytes for an address, from all three or from none.
    ///
    /// # Errors
    /// How long it has to wait at least.
    pub(crate) fn take(&mut self, now: Timestamp, to: SocketAddr, bytes: usize) -> Result<(), Duration> {
        let to = canonical(to);
        let (network, bytes) = (network(to.ip()), u64::try_from(bytes).unwrap_or(u64::MAX));
        let mut parts = [
            self.each.get(&to).copied().unwrap_or(self.share.each),
            self.networks.get(&network).copied().unwrap_or(self.share.network),
            self.share.all,
        ];
        let waits = parts.iter_mut().filter_map(|rate| rate.take_n(bytes, now).err());
        if let Some(wait) = waits.max() {
            self.held = self.held.saturating_add(1);
            return Err(wait);
        }
        let [each, of_network, all] = parts;
        self.each.insert(to, each);
        self.networks.insert(network, of_network);
        self.share.all = all;
        Ok(())
    }

    /// How often something had to wait.
    pub(crate) const fn held(&self) -> u64 {
        self.held
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share =
        Share { each: Rate::new(4_096, 512), network: Rate::new(196_608, 49_152), all: Rate::new(262_144, 65_536) };

    fn sent(to: impl Fn(u32) -> SocketAddr, seconds: u64) -> u64 {
        let mut shares = Shares::new(SHARE);
        let mut bytes = 0;
        for now in (0..seconds * 1_000).step_by(10) {
            for n in 0..500 {
                bytes += 384 * u64::from(shares.take(Timestamp(now * 1_000), to(n), 384).is_ok());
            }
        }
        assert!(shares.held() > 0 && shares.each.len() <= MAX_KNOWN);
        bytes
    }

    #[test]
    fn each_address_each_network_and_all_have_their_bound() {
        let most = |rate: (u64, u64)| (rate.0 + 10 * rate.1) * 9 / 10..=rate.0 + 10 * rate.1;
        let one = sent(|_| ([10, 0, 0, 1], 9).into(), 10);
        assert!(most((4_096, 512)).contains(&one), "{one}");
        let near = sent(|n| ([10, 0, 0, n.to_le_bytes()[0]], 9).into(), 10);
        assert!(most((196_608, 49_152)).contains(&near), "{near}");
        let far = sent(|n| (n.wrapping_mul(0x9e37_79b9).to_le_bytes(), 9).into(), 10);
        assert!(most((262_144, 65_536)).contains(&far), "{far}");
    }

    #[test]
    fn whoever_waits_that_long_is_served() {
        let mut shares = Shares::new(SHARE);
        let (to, mut now) = (([10, 0, 0, 1], 9).into(), Timestamp::ZERO);
        for _ in 0..100 {
            if let Err(wait) = shares.take(now, to, 384) {
                now = now.after(wait);
                assert_eq!(shares.take(now, to, 384), Ok(()));
            }
        }
        let mapped = "[::ffff:10.0.0.1]:9".parse().unwrap();
        assert_eq!(
            shares.take(now, mapped, 4_096).is_err(),
            shares.take(now, to, 4_096).is_err(),
            "it is the same address"
        );
        assert_eq!(network("2001:db8:1:2::3".parse().unwrap()), "2001:db8:1::".parse::<IpAddr>().unwrap());
    }
}
