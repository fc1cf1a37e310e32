//! How much one address may ask for: a bounded table of governor limits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Addresses that have a limit of their own at once. The others share one.
pub(crate) const MAX_ADDRESSES: usize = 4_096;
/// An address not seen for so long loses its own limit.
const FORGET: Duration = Duration::from_secs(60);

struct Entry {
    limiter: DefaultDirectRateLimiter,
    seen: Instant,
}

/// Limits by address (IPv6: by /64, which is what one person has).
pub(crate) struct ByAddress {
    quota: Quota,
    table: Mutex<HashMap<IpAddr, Entry>>,
    others: DefaultDirectRateLimiter,
}

impl std::fmt::Debug for ByAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByAddress").field("quota", &self.quota).finish_non_exhaustive()
    }
}

impl ByAddress {
    /// So many a second for each address, and `burst` at once.
    #[must_use]
    pub(crate) fn new(per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self { quota, table: Mutex::new(HashMap::new()), others: RateLimiter::direct(quota) }
    }

    /// Takes one from the share of an address; false if it has none left.
    #[must_use]
    pub(crate) fn allows(&self, addr: IpAddr) -> bool {
        let (addr, now) = (prefix(addr), Instant::now());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_ADDRESSES && !table.contains_key(&addr) {
            table.retain(|_, entry| now.duration_since(entry.seen) < FORGET);
            if table.len() >= MAX_ADDRESSES {
                return self.others.check().is_ok();
            }
        }
        let quota = self.quota;
        let entry = table.entry(addr).or_insert_with(|| Entry { limiter: RateLimiter::direct(quota), seen: now });
        entry.seen = now;
        entry.limiter.check().is_ok()
    }

    /// Addresses with a limit of their own.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn prefix(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_and_the_table_is_bounded() {
        let limits = ByAddress::new(NonZeroU32::MIN, NonZeroU32::new(3).unwrap());
        let flooder = IpAddr::from([127, 0, 0, 1]);
        let taken = (0..100).filter(|_| limits.allows(flooder)).count();
        assert!((3..10).contains(&taken), "{taken}");
        assert!(limits.allows([127, 0, 0, 2].into()));
        for n in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
            let _ = limits.allows(std::net::Ipv4Addr::from(0x0a00_0000 + n).into());
        }
        assert_eq!(limits.len(), MAX_ADDRESSES);
    }

    #[test]
    fn a_v6_network_and_a_mapped_address_are_one() {
        let at = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_eq!(at("::ffff:127.0.0.1"), at("127.0.0.1"));
    }
}
