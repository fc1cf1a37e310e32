//! Before TLS: what connections from anywhere may cost.
//!
//! An address belongs to a prefix (/24, /48); the address of a known member is a class of its own. A class may have only so
//! many handshakes in flight, and when it has, its oldest makes room: a handshake that goes on takes milliseconds, one that
//! stalls is always the oldest. So a flood from one prefix costs that prefix, and never a known member. A class also has
//! a rate; what is over it is closed without a byte. All classes together have one bound, of which known members may always have
//! half. SECURITY.md ("The boundary before TLS") says what that leaves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

/// Prefixes and members whose rate is remembered; the one unused for longest makes room.
pub const MAX_RATES: usize = 4_096;
/// The rate of a known member's address, in rates of a prefix: whoever shares it must not keep the member out too easily.
pub const MEMBER_RATES: u32 = 10;
/// Addresses of known members that have slots of their own.
pub const MAX_MEMBERS: usize = 1_024;

/// Bounds before TLS.
#[derive(Debug, Clone, Copy)]
pub struct GateLimits {
    /// Handshakes in flight, all together. Known members may always have half of it, strangers the other half; what one side
    /// leaves the other may use.
    pub in_flight: usize,
    /// Handshakes in flight from one prefix.
    pub per_prefix: usize,
    /// Handshakes in flight from one known member's address, apart from its prefix.
    pub per_member: usize,
    /// New connections a second from one prefix, and four times that at once; [`MEMBER_RATES`] times as many from one known
    /// member's address.
    pub rate: u32,
    /// How long a handshake may take.
    pub deadline: Duration,
    /// A connection whose descriptor has this number or a higher one uses what is kept for files: the system gives the lowest
    /// number that is free.
    pub descriptors: i32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            in_flight: 512,
            per_prefix: 64,
            per_member: 16,
            rate: 200,
            deadline: Duration::from_secs(5),
            descriptors: i32::MAX,
        }
    }
}

/// Who shares a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One address of a known member.
    Member(IpAddr),
    /// All others of a prefix.
    Prefix(IpAddr),
}

/// The prefix of an address: its /24, or its /48.
#[must_use]
pub fn prefix(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

#[derive(Debug)]
struct Rate {
    tokens: f64,
    at: Instant,
}

/// The table of handshakes in flight.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    members: BTreeSet<IpAddr>,
    rates: BTreeMap<Class, Rate>,
    flying: BTreeMap<Class, VecDeque<(u64, AbortHandle)>>,
    count: usize,
    last: u64,
}

/// Names a handshake that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    class: Class,
    number: u64,
}

impl Gate {
    /// An empty table.
    #[must_use]
    pub const fn new(limits: GateLimits) -> Self {
        Self { limits, members: BTreeSet::new(), rates: BTreeMap::new(), flying: BTreeMap::new(), count: 0, last: 0 }
    }

    /// The addresses of known members, which have slots of their own: the first [`MAX_MEMBERS`] of them.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = IpAddr>) {
        self.members = members.into_iter().map(|addr| addr.to_canonical()).take(MAX_MEMBERS).collect();
    }

    /// How many addresses of known members there are.
    #[must_use]
    pub fn known_members(&self) -> usize {
        self.members.len()
    }

    fn class(&self, addr: IpAddr) -> Class {
        let addr = addr.to_canonical();
        if self.members.contains(&addr) { Class::Member(addr) } else { Class::Prefix(prefix(addr)) }
    }

    /// Whether a connection from here is within the rate of its class.
    pub fn within_rate(&mut self, addr: IpAddr, now: Instant) -> bool {
        let key = self.class(addr);
        let times = if matches!(key, Class::Member(_)) { MEMBER_RATES } else { 1 };
        let rate = f64::from(self.limits.rate) * f64::from(times);
        if self.rates.len() >= MAX_RATES
            && !self.rates.contains_key(&key)
            && let Some(oldest) = self.rates.iter().min_by_key(|(_, r)| r.at).map(|(key, _)| *key)
        {
            self.rates.remove(&oldest);
        }
        let bucket = self.rates.entry(key).or_insert(Rate { tokens: rate * 4.0, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(rate * 4.0);
        bucket.at = now;
        let within = bucket.tokens >= 1.0;
        if within {
            bucket.tokens -= 1.0;
        }
        within
    }

    /// Lets a handshake in. Says how many older ones were ended to make room.
    pub fn enter(&mut self, addr: IpAddr, task: AbortHandle) -> (Pass, usize) {
        let class = self.class(addr);
        let member = matches!(class, Class::Member(_));
        let most = if member { self.limits.per_member } else { self.limits.per_prefix };
        let mut ended = 0;
        while self.flying.get(&class).is_some_and(|tasks| tasks.len() >= most) {
            ended = self.end_oldest(class).saturating_add(ended);
        }
        while self.count >= self.limits.in_flight.max(1) {
            // Neither side takes from the other's half: a flood from many prefixes costs no member anything, and whoever
            // was a member from many addresses keeps no stranger out.
            let (members, half) = (self.members_flying(), self.limits.in_flight / 2);
            let of_members = if member { members >= half } else { members > half };
            let Some(fullest) = self.fullest(of_members).or_else(|| self.fullest(!of_members)) else { break };
            ended = self.end_oldest(fullest).saturating_add(ended);
        }
        self.last = self.last.wrapping_add(1);
        self.count = self.count.saturating_add(1);
        self.flying.entry(class).or_default().push_back((self.last, task));
        (Pass { class, number: self.last }, ended)
    }

    fn members_flying(&self) -> usize {
        let members = self.flying.iter().filter(|(class, _)| matches!(class, Class::Member(_)));
        members.map(|(_, tasks)| tasks.len()).sum()
    }

    /// The fullest class, of members or of strangers. Among equally full ones, that whose oldest handshake is the oldest.
    fn fullest(&self, members: bool) -> Option<Class> {
        self.flying
            .iter()
            .filter(|(class, _)| matches!(class, Class::Member(_)) == members)
            .max_by_key(|(_, tasks)| (tasks.len(), Reverse(tasks.front().map(|(number, _)| *number))))
            .map(|(class, _)| *class)
    }

    /// Ends so many of the oldest handshakes of the fullest prefixes, of members only where no stranger is left. Says how
    /// many there were to end.
    pub fn make_room(&mut self, wanted: usize) -> usize {
        let mut ended = 0;
        while ended < wanted
            && let Some(fullest) = self.fullest(false).or_else(|| self.fullest(true))
        {
            ended = self.end_oldest(fullest).saturating_add(ended);
        }
        ended
    }

    /// Says how many it ended: one, or none if there is none.
    fn end_oldest(&mut self, class: Class) -> usize {
        let Some(tasks) = self.flying.get_mut(&class) else { return 0 };
        let oldest = tasks.pop_front();
        if tasks.is_empty() {
            self.flying.remove(&class);
        }
        if let Some((_, task)) = &oldest {
            task.abort();
            self.count = self.count.saturating_sub(1);
        }
        usize::from(oldest.is_some())
    }

    /// A handshake has ended, one way or the other.
    pub fn leave(&mut self, pass: Pass) {
        let Some(tasks) = self.flying.get_mut(&pass.class) else { return };
        let before = tasks.len();
        tasks.retain(|(number, _)| *number != pass.number);
        self.count = self.count.saturating_sub(before.saturating_sub(tasks.len()));
        if tasks.is_empty() {
            self.flying.remove(&pass.class);
        }
    }

    /// Handshakes in flight.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn the_oldest_of_a_full_prefix_makes_room_and_members_are_apart() {
        let mut gate = Gate::new(GateLimits { per_prefix: 2, per_member: 1, in_flight: 4, ..GateLimits::default() });
        gate.set_members([ip("10.0.0.9")]);
        let stall = || tokio::spawn(std::future::pending::<()>());
        let tasks: Vec<_> = (0..3).map(|_| stall()).collect();
        let member = stall();
        gate.enter(ip("10.0.0.9"), member.abort_handle());
        for (n, task) in tasks.iter().enumerate() {
            let (_, ended) = gate.enter(ip("10.0.0.1"), task.abort_handle());
            assert_eq!(ended, usize::from(n == 2));
        }
        assert_eq!(gate.in_flight(), 3);
        for (n, task) in tasks.into_iter().enumerate() {
            if n == 0 {
                assert!(task.await.unwrap_err().is_cancelled(), "the oldest made room");
            } else {
                assert!(!task.is_finished());
            }
        }
        assert!(!member.is_finished(), "a flood in its prefix does not cost a member its slot");
    }

    #[tokio::test]
    async fn a_flood_from_many_prefixes_costs_the_fullest_and_never_a_member() {
        let limits = GateLimits { per_prefix: 8, per_member: 8, in_flight: 15, ..GateLimits::default() };
        let mut gate = Gate::new(limits);
        gate.set_members([ip("10.0.0.9")]);
        let stall = || tokio::spawn(std::future::pending::<()>());
        // The member has the fullest class of all, and the healthy stranger came last among equals.
        let members: Vec<_> = (0..5).map(|_| stall()).collect();
        for task in &members {
            assert_eq!(gate.enter(ip("10.0.0.9"), task.abort_handle()).1, 0);
        }
        let flood: Vec<_> = (0..10).map(|_| stall()).collect();
        for (n, task) in (0_u8..).zip(&flood) {
            assert_eq!(gate.enter(IpAddr::from([10, 1, n, 1]), task.abort_handle()).1, 0, "there is room for ten");
        }
        let healthy = stall();
        assert_eq!(gate.enter(ip("10.2.0.1"), healthy.abort_handle()).1, 1);
        let next = stall();
        assert_eq!(gate.enter(ip("10.3.0.1"), next.abort_handle()).1, 1);
        for (n, task) in flood.into_iter().enumerate() {
            if n < 2 {
                assert!(task.await.unwrap_err().is_cancelled(), "the oldest of equals makes room");
            } else {
                assert!(!task.is_finished());
            }
        }
        assert!(!healthy.is_finished() && !next.is_finished() && members.iter().all(|task| !task.is_finished()));
        assert_eq!(gate.in_flight(), 15);
    }

    #[tokio::test]
    async fn all_handshakes_have_one_bound_and_each_side_keeps_its_half() {
        let mut gate = Gate::new(GateLimits { in_flight: 40, ..GateLimits::default() });
        let known: Vec<_> = (0..20).map(|n| IpAddr::from([10, 9, 0, n])).collect();
        gate.set_members(known.iter().copied());
        let stall = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        // Twenty addresses that are known could have 320 of their own.
        for n in 0..320 {
            gate.enter(known[n % 20], stall());
            assert!(gate.in_flight() <= 40, "{}", gate.in_flight());
        }
        assert_eq!(gate.members_flying(), 40, "what strangers leave they may use");
        for n in 0..100 {
            gate.enter(IpAddr::from([10, 1, n, 1]), stall());
            assert!(gate.in_flight() <= 40 && gate.members_flying() >= 20);
        }
        assert_eq!(gate.members_flying(), 20, "a stranger gets in, and members keep their half");
        gate.enter(known[0], stall());
        assert_eq!((gate.members_flying(), gate.in_flight()), (20, 40), "a member over that half costs a member");
        assert_eq!(gate.make_room(25), 25);
        assert_eq!((gate.members_flying(), gate.in_flight()), (15, 15), "strangers go first");
        assert_eq!((gate.make_room(25), gate.in_flight()), (15, 0));
    }

    #[test]
    fn a_prefix_has_a_rate_and_a_member_in_it_one_of_its_own() {
        let mut gate = Gate::new(GateLimits { rate: 10, ..GateLimits::default() });
        gate.set_members([ip("10.0.0.9")]);
        let now = Instant::now();
        assert_eq!((0..100).filter(|_| gate.within_rate(ip("10.0.0.1"), now)).count(), 40);
        assert!(!gate.within_rate(ip("10.0.0.77"), now), "the same /24");
        assert!(gate.within_rate(ip("10.0.1.1"), now), "another /24");
        assert_eq!((0..1_000).filter(|_| gate.within_rate(ip("10.0.0.9"), now)).count(), 400);
        assert!(gate.within_rate(ip("10.0.0.1"), now + Duration::from_secs(1)));
    }

    #[test]
    fn rates_and_members_are_bounded() {
        let mut gate = Gate::new(GateLimits::default());
        let now = Instant::now();
        let addr = |n: usize| IpAddr::from(u32::try_from(n << 8).unwrap().to_be_bytes());
        for n in 0..2 * MAX_RATES {
            assert!(gate.within_rate(addr(n), now + Duration::from_millis(u64::try_from(n).unwrap())));
        }
        assert_eq!(gate.rates.len(), MAX_RATES);
        assert!(gate.rates.contains_key(&Class::Prefix(addr(2 * MAX_RATES - 1))), "the newest is there");
        gate.set_members((0..2 * MAX_MEMBERS).map(addr));
        assert_eq!(gate.members.len(), MAX_MEMBERS);
    }

    proptest! {
        #![proptest_config(Config::with_cases(64))]

        /// Whatever comes and goes, no bound is passed, the newest is in, and an eviction takes the oldest of its class.
        #[test]
        fn every_bound_holds_and_the_newest_is_always_in(steps in vec((any::<bool>(), 0_u8..6, 0_u8..4), 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            let limits = GateLimits { in_flight: 6, per_prefix: 3, per_member: 2, ..GateLimits::default() };
            let mut gate = Gate::new(limits);
            gate.set_members([ip("10.0.0.9"), ip("10.0.1.9")]);
            let mut passes = Vec::new();
            for (enters, net, host) in steps {
                if enters || passes.is_empty() {
                    let host = if host == 0 { 9 } else { host };
                    let addr = IpAddr::from([10, 0, net, host]);
                    let oldest = gate.flying.get(&gate.class(addr)).and_then(|tasks| tasks.front()).map(|(n, _)| *n);
                    let full = gate.flying.get(&gate.class(addr)).map_or(0, VecDeque::len)
                        >= if matches!(gate.class(addr), Class::Member(_)) { 2 } else { 3 };
                    let before = (gate.members_flying(), gate.count - gate.members_flying());
                    let (pass, ended) = gate.enter(addr, runtime.spawn(std::future::pending::<()>()).abort_handle());
                    let mine = gate.flying.get(&pass.class).unwrap();
                    prop_assert_eq!(mine.back().map(|(n, _)| *n), Some(pass.number));
                    prop_assert!(ended <= 2);
                    let halved = |members: usize| members.min(limits.in_flight / 2);
                    let (mine_now, other_now) = match pass.class {
                        Class::Member(_) => (gate.members_flying(), gate.count - gate.members_flying()),
                        Class::Prefix(_) => (gate.count - gate.members_flying(), gate.members_flying()),
                    };
                    let other_before = if matches!(pass.class, Class::Member(_)) { before.1 } else { before.0 };
                    prop_assert!(other_now >= halved(other_before), "{} of {} others are left, {} of mine", other_now, other_before, mine_now);
                    if full {
                        prop_assert!(ended >= 1 && mine.iter().all(|(n, _)| Some(*n) != oldest));
                    }
                    passes.push(pass);
                } else {
                    let pass: Pass = passes.swap_remove(usize::from(host) % passes.len());
                    gate.leave(pass);
                }
                for (class, tasks) in &gate.flying {
                    let most = if matches!(class, Class::Member(_)) { 2 } else { 3 };
                    prop_assert!(!tasks.is_empty() && tasks.len() <= most, "{:?}", class);
                }
                prop_assert_eq!(gate.count, gate.flying.values().map(VecDeque::len).sum::<usize>());
                prop_assert!(gate.count <= limits.in_flight);
            }
        }
    }

    #[test]
    fn prefixes_are_24_and_48_bits_and_mapped_addresses_are_the_plain_ones() {
        assert_eq!(prefix(ip("192.0.2.77")), ip("192.0.2.0"));
        assert_eq!(prefix(ip("2001:db8:1:2:3::4")), ip("2001:db8:1::"));
        assert_eq!(prefix(ip("::ffff:192.0.2.77")), ip("192.0.2.0"));
    }
}
