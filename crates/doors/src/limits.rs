//! How much one address may ask for: a bounded table of rates.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rumormill_limits::{Clock, Rate, Recent, Timestamp};

use crate::address::prefix;
use crate::lock::lock;

/// Addresses that have a rate of their own at once. The others share one.
pub(crate) const MAX_ADDRESSES: usize = 4_096;
/// An address that asked for nothing for so long loses its own rate to one that needs it.
const FORGET: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Entry {
    rate: Rate,
    seen: Timestamp,
}

/// What is left to each address.
#[derive(Debug)]
struct RateTable {
    own: Recent<IpAddr, Entry, MAX_ADDRESSES>,
    /// What is left to all together that have no rate of their own.
    others: Rate,
}

/// Rates by address (IPv6: by /64, which is what one person has).
#[derive(Debug)]
pub(crate) struct ByAddress {
    each: Rate,
    table: Mutex<RateTable>,
    clock: Clock,
}

impl ByAddress {
    /// So much for each address.
    #[must_use]
    pub(crate) fn new(each: Rate) -> Self {
        Self { each, table: Mutex::new(RateTable { own: Recent::new(), others: each }), clock: Clock::start() }
    }

    /// Takes one from the share of an address; false if it has none left.
    #[must_use]
    pub(crate) fn allows(&self, addr: IpAddr) -> bool {
        let (addr, mut table) = (prefix(addr), self.table());
        let now = self.clock.now();
        if let Some(entry) = table.own.touch(&addr) {
            entry.seen = now;
            return entry.rate.take(now);
        }
        let lately = |(_, longest): (&IpAddr, &Entry)| now.elapsed(longest.seen) < FORGET;
        if table.own.is_full() && table.own.longest_unused().is_some_and(lately) {
            return table.others.take(now);
        }
        let mut rate = self.each;
        let allowed = rate.take(now);
        table.own.insert(addr, Entry { rate, seen: now });
        allowed
    }

    fn table(&self) -> MutexGuard<'_, RateTable> {
        lock(&self.table)
    }

    /// Addresses with a rate of their own.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().own.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_and_the_table_is_bounded() {
        let limits = ByAddress::new(Rate::new(3, 1));
        let flooder = IpAddr::from([127, 0, 0, 1]);
        let taken = (0..100).filter(|_| limits.allows(flooder)).count();
        assert!((3..10).contains(&taken), "{taken}");
        assert!(limits.allows([127, 0, 0, 2].into()));
        for n in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
            let _ = limits.allows(std::net::Ipv4Addr::from(0x0a00_0000 + n).into());
        }
        assert_eq!(limits.len(), MAX_ADDRESSES);
    }
}
