//! Admission control before TLS: what connections from anywhere may cost.
//!
//! An address belongs to a prefix (/24, /48); the address of a known member is a class of its own. A class may have only so
//! many handshakes in flight, and when it has, its oldest makes room: a handshake that goes on takes milliseconds, one that
//! stalls is always the oldest. So a flood from one prefix costs that prefix, and never a known member. A class also has
//! a rate; what is over it is closed without a byte. All classes together have one bound, of which known members may always have
//! half. SECURITY.md ("The boundary before TLS") says what that leaves.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use rumormill_limits::{Rate, Recent, Room, Slots, Timestamp};
use tokio::task::AbortHandle;

/// Prefixes and members whose rate is remembered; the one unused for longest makes room. One that is forgotten has its whole rate
/// again, which takes an attacker more than so many networks.
pub const MAX_RATES: usize = 4_096;
/// The rate of a known member's address, in rates of a prefix: whoever shares it must not keep the member out too easily.
pub const MEMBER_RATES: u32 = 10;
/// Addresses of known members that have slots of their own; those beyond it are in the class of their prefix.
pub const MAX_MEMBERS: usize = 1_024;

/// Bounds before TLS.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
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

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            // One that stalls holds 20 KiB at most (SECURITY.md): 10 MiB for all.
            in_flight: 512,
            // An eighth of those: so many networks it takes to fill the table.
            per_prefix: 64,
            // A member needs one at a time; the others are for those who share its address.
            per_member: 16,
            // A crowd of honest nodes behind one address comes back within seconds; what a flood from there costs has a bound.
            rate: 200,
            // TCP and TLS 1.3 are two round trips: time for one that loses packets.
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

impl Class {
    const fn is_member(&self) -> bool {
        matches!(self, Self::Member(_))
    }
}

/// The table of handshakes in flight.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    members: BTreeSet<IpAddr>,
    neighbours: BTreeSet<IpAddr>,
    rates: Recent<Class, Rate, MAX_RATES>,
    flying: Slots<Class, (), AbortHandle>,
}

/// Names a handshake that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeId(u64);

impl Admission {
    /// No handshake is in flight and no address is known.
    #[must_use]
    pub const fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            members: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            rates: Recent::new(),
            flying: Slots::new(),
        }
    }

    /// The addresses of known members, which have slots of their own: the first [`MAX_MEMBERS`] of them.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = IpAddr>) {
        self.members = members.into_iter().map(|addr| addr.to_canonical()).take(MAX_MEMBERS).collect();
    }

    /// Those of them where neighbours are that the owner named, at most [`MAX_MEMBERS`]. While their handshakes are no more than
    /// a quarter of all that may be in flight, those of other members make room before them.
    pub fn set_neighbours(&mut self, neighbours: impl IntoIterator<Item = IpAddr>) {
        self.neighbours = neighbours.into_iter().map(|addr| addr.to_canonical()).take(MAX_MEMBERS).collect();
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
    pub fn within_rate(&mut self, addr: IpAddr, now: Timestamp) -> bool {
        let class = self.class(addr);
        if let Some(rate) = self.rates.touch(&class) {
            return rate.take(now);
        }
        let times = if class.is_member() { MEMBER_RATES } else { 1 };
        let per_s = u64::from(self.limits.rate).saturating_mul(times.into());
        let mut rate = Rate::new(per_s.saturating_mul(4), per_s);
        let within = rate.take(now);
        self.rates.insert(class, rate);
        within
    }

    /// Lets a handshake in. Says how many older ones were ended to make room.
    pub fn enter(&mut self, addr: IpAddr, task: AbortHandle) -> (HandshakeId, usize) {
        let class = self.class(addr);
        let member = class.is_member();
        let most = if member { self.limits.per_member } else { self.limits.per_prefix };
        let mut ended = 0;
        while let Room::InPlaceOf(oldest) = self.flying.room(&class, most, usize::MAX) {
            ended = self.end(oldest).saturating_add(ended);
        }
        while self.in_flight() >= self.limits.in_flight.max(1) {
            // Neither side takes from the other's half: a flood from many prefixes costs no member anything, and whoever
            // was a member from many addresses keeps no stranger out.
            let (members, half) = (self.members_flying(), self.limits.in_flight / 2);
            let of_members = if member { members >= half } else { members > half };
            let Some(oldest) = self.of_fullest(of_members).or_else(|| self.of_fullest(!of_members)) else { break };
            ended = self.end(oldest).saturating_add(ended);
        }
        (HandshakeId(self.flying.add(class, (), task)), ended)
    }

    fn members_flying(&self) -> usize {
        self.flying.count(Class::is_member)
    }

    fn is_neighbour(&self, class: &Class) -> bool {
        matches!(class, Class::Member(addr) if self.neighbours.contains(addr))
    }

    /// The oldest handshake of the fullest class, of members or of strangers; of named neighbours last.
    fn of_fullest(&self, members: bool) -> Option<u64> {
        let neighbours = self.flying.count(|class| self.is_neighbour(class));
        let spared = neighbours <= (self.limits.in_flight / 4).max(1);
        let but = |class: &Class| class.is_member() == members && !(spared && self.is_neighbour(class));
        self.flying.first_of_fullest(but).or_else(|| self.flying.first_of_fullest(|class| class.is_member() == members))
    }

    /// Ends so many of the oldest handshakes of the fullest prefixes, of members only where no stranger is left. Says how
    /// many there were to end.
    pub fn make_room(&mut self, wanted: usize) -> usize {
        let mut ended = 0;
        while ended < wanted
            && let Some(oldest) = self.of_fullest(false).or_else(|| self.of_fullest(true))
        {
            ended = self.end(oldest).saturating_add(ended);
        }
        ended
    }

    /// Says how many it ended: one, or none if it has ended already.
    fn end(&mut self, number: u64) -> usize {
        usize::from(self.flying.remove(number).inspect(AbortHandle::abort).is_some())
    }

    /// A handshake has ended, one way or the other.
    pub fn leave(&mut self, id: HandshakeId) {
        self.flying.remove(id.0);
    }

    /// Handshakes in flight, of all classes.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flying.len()
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
        let mut admission = Admission::new(AdmissionLimits {
            per_prefix: 2,
            per_member: 1,
            in_flight: 4,
            ..AdmissionLimits::default()
        });
        admission.set_members([ip("10.0.0.9")]);
        let stall = || tokio::spawn(std::future::pending::<()>());
        let tasks: Vec<_> = (0..3).map(|_| stall()).collect();
        let member = stall();
        admission.enter(ip("10.0.0.9"), member.abort_handle());
        for (n, task) in tasks.iter().enumerate() {
            let (_, ended) = admission.enter(ip("10.0.0.1"), task.abort_handle());
            assert_eq!(ended, usize::from(n == 2));
        }
        assert_eq!(admission.in_flight(), 3);
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
        let limits = AdmissionLimits { per_prefix: 8, per_member: 8, in_flight: 15, ..AdmissionLimits::default() };
        let mut admission = Admission::new(limits);
        admission.set_members([ip("10.0.0.9")]);
        let stall = || tokio::spawn(std::future::pending::<()>());
        // The member has the fullest class of all, and the healthy stranger came last among equals.
        let members: Vec<_> = (0..5).map(|_| stall()).collect();
        for task in &members {
            assert_eq!(admission.enter(ip("10.0.0.9"), task.abort_handle()).1, 0);
        }
        let flood: Vec<_> = (0..10).map(|_| stall()).collect();
        for (n, task) in (0_u8..).zip(&flood) {
            assert_eq!(admission.enter(IpAddr::from([10, 1, n, 1]), task.abort_handle()).1, 0, "there is room for ten");
        }
        let healthy = stall();
        assert_eq!(admission.enter(ip("10.2.0.1"), healthy.abort_handle()).1, 1);
        let next = stall();
        assert_eq!(admission.enter(ip("10.3.0.1"), next.abort_handle()).1, 1);
        for (n, task) in flood.into_iter().enumerate() {
            if n < 2 {
                assert!(task.await.unwrap_err().is_cancelled(), "the oldest of equals makes room");
            } else {
                assert!(!task.is_finished());
            }
        }
        assert!(!healthy.is_finished() && !next.is_finished() && members.iter().all(|task| !task.is_finished()));
        assert_eq!(admission.in_flight(), 15);
    }

    #[tokio::test]
    async fn all_handshakes_have_one_bound_and_each_side_keeps_its_half() {
        let mut admission = Admission::new(AdmissionLimits { in_flight: 40, ..AdmissionLimits::default() });
        let known: Vec<_> = (0..20).map(|n| IpAddr::from([10, 9, 0, n])).collect();
        admission.set_members(known.iter().copied());
        let stall = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        // Twenty addresses that are known could have 320 of their own.
        for n in 0..320 {
            admission.enter(known[n % 20], stall());
            assert!(admission.in_flight() <= 40, "{}", admission.in_flight());
        }
        assert_eq!(admission.members_flying(), 40, "what strangers leave they may use");
        for n in 0..100 {
            admission.enter(IpAddr::from([10, 1, n, 1]), stall());
            assert!(admission.in_flight() <= 40 && admission.members_flying() >= 20);
        }
        assert_eq!(admission.members_flying(), 20, "a stranger gets in, and members keep their half");
        admission.enter(known[0], stall());
        assert_eq!(
            (admission.members_flying(), admission.in_flight()),
            (20, 40),
            "a member over that half costs a member"
        );
        assert_eq!(admission.make_room(25), 25);
        assert_eq!((admission.members_flying(), admission.in_flight()), (15, 15), "strangers go first");
        assert_eq!((admission.make_room(25), admission.in_flight()), (15, 0));
    }

    #[tokio::test]
    async fn a_named_neighbours_handshake_makes_room_after_all_other_members() {
        let mut admission = Admission::new(AdmissionLimits { in_flight: 8, ..AdmissionLimits::default() });
        let known: Vec<_> = (0..40).map(|n| IpAddr::from([10, 9, 0, n])).collect();
        admission.set_members(known.iter().copied());
        admission.set_neighbours([known[0]]);
        let stall = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        let named = tokio::spawn(std::future::pending::<()>());
        admission.enter(known[0], named.abort_handle());
        for (n, member) in (1..).zip(&known[1..]) {
            admission.enter(*member, stall());
            admission.enter(IpAddr::from([10, 1, n, 1]), stall());
        }
        tokio::task::yield_now().await;
        assert!(!named.is_finished(), "others came from 39 addresses after it");
        assert_eq!((admission.in_flight(), admission.members_flying()), (8, 4));
        // Whoever shares its address takes no more than a quarter at others' cost.
        for _ in 0..16 {
            admission.enter(known[0], stall());
        }
        for member in known.iter().skip(1).cycle().take(80) {
            admission.enter(*member, stall());
        }
        let neighbours = admission.flying.count(|class| admission.is_neighbour(class));
        assert!(neighbours <= 2 && admission.members_flying() == 4, "{neighbours}");
    }

    #[test]
    fn a_prefix_has_a_rate_and_a_member_in_it_one_of_its_own() {
        let mut admission = Admission::new(AdmissionLimits { rate: 10, ..AdmissionLimits::default() });
        admission.set_members([ip("10.0.0.9")]);
        let now = Timestamp(77);
        assert_eq!((0..100).filter(|_| admission.within_rate(ip("10.0.0.1"), now)).count(), 40);
        assert!(!admission.within_rate(ip("10.0.0.77"), now), "the same /24");
        assert!(admission.within_rate(ip("10.0.1.1"), now), "another /24");
        assert_eq!((0..1_000).filter(|_| admission.within_rate(ip("10.0.0.9"), now)).count(), 400);
        assert!(admission.within_rate(ip("10.0.0.1"), now.after(Duration::from_secs(1))));
    }

    #[test]
    fn rates_and_members_are_bounded() {
        let mut admission = Admission::new(AdmissionLimits::default());
        let addr = |n: usize| IpAddr::from(u32::try_from(n << 8).unwrap().to_be_bytes());
        for n in 0..2 * MAX_RATES {
            assert!(admission.within_rate(addr(n), Timestamp(u64::try_from(n).unwrap() * 1_000)));
        }
        assert_eq!(admission.rates.len(), MAX_RATES);
        assert!(admission.rates.get(&Class::Prefix(addr(2 * MAX_RATES - 1))).is_some(), "the newest is there");
        admission.set_members((0..2 * MAX_MEMBERS).map(addr));
        assert_eq!(admission.members.len(), MAX_MEMBERS);
    }

    proptest! {
        #![proptest_config(Config::with_cases(64))]

        /// Whatever comes and goes, no bound is passed, the newest is in, and an eviction takes the oldest of its class.
        #[test]
        fn every_bound_holds_and_the_newest_is_always_in(steps in vec((any::<bool>(), 0_u8..6, 0_u8..4), 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            let limits = AdmissionLimits { in_flight: 6, per_prefix: 3, per_member: 2, ..AdmissionLimits::default() };
            let mut admission = Admission::new(limits);
            admission.set_members([ip("10.0.0.9"), ip("10.0.1.9")]);
            let mut flying = Vec::new();
            let of = |admission: &Admission, class: Class| -> Vec<u64> {
                admission.flying.iter().filter(|(_, other, _)| **other == class).map(|(number, ..)| number).collect()
            };
            for (enters, net, host) in steps {
                if enters || flying.is_empty() {
                    let host = if host == 0 { 9 } else { host };
                    let addr = IpAddr::from([10, 0, net, host]);
                    let class = admission.class(addr);
                    let before = of(&admission, class);
                    let full = before.len() >= if class.is_member() { 2 } else { 3 };
                    let sides = |admission: &Admission| {
                        let (members, all) = (admission.members_flying(), admission.in_flight());
                        if class.is_member() { (members, all - members) } else { (all - members, members) }
                    };
                    let (_, other_before) = sides(&admission);
                    let (id, ended) = admission.enter(addr, runtime.spawn(std::future::pending::<()>()).abort_handle());
                    let mine = of(&admission, class);
                    prop_assert_eq!(mine.last(), Some(&id.0));
                    prop_assert!(ended <= 2);
                    let (mine_now, other_now) = sides(&admission);
                    let kept = other_before.min(limits.in_flight / 2);
                    prop_assert!(other_now >= kept, "{} of {} others are left, {} of mine", other_now, other_before, mine_now);
                    if full {
                        prop_assert!(ended >= 1 && !mine.contains(&before[0]));
                    }
                    flying.push(id);
                } else {
                    let id: HandshakeId = flying.swap_remove(usize::from(host) % flying.len());
                    admission.leave(id);
                }
                for (_, class, _) in admission.flying.iter() {
                    let most = if class.is_member() { 2 } else { 3 };
                    prop_assert!(of(&admission, *class).len() <= most, "{:?}", class);
                }
                prop_assert!(admission.in_flight() <= limits.in_flight);
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
