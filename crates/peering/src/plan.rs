//! When a neighbour that has no link is dialled next. Nobody there: soon at first, since a whole line of nodes starts at once,
//! and a process comes back within seconds. Refused: later each time, since that passes only when somebody changes something.

use core::net::IpAddr;
use core::time::Duration;

use rand::Rng;
use rumormill_limits::{Backoff, Timestamp};

use crate::ended::Ended;

/// First and longest delay where nobody is there, on this machine and elsewhere. A dial of loopback costs microseconds, one of another
/// host packets and descriptors on the way.
const LOOPBACK_DELAYS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
const REMOTE_DELAYS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// The longest delay on this machine, once nobody was there for [`GIVEN_UP`]: whoever is started again within a minute finds us soon.
const LOOPBACK_LATER: Duration = Duration::from_secs(5);
const GIVEN_UP: Duration = Duration::from_secs(60);
/// First delays and the longest where we are refused: what that comes from is changed by people, who take minutes.
const LOOPBACK_REFUSED: Duration = Duration::from_millis(100);
const REMOTE_REFUSED: Duration = Duration::from_secs(1);
const LONGEST_REFUSED: Duration = Duration::from_secs(300);
/// Whoever wants to be left alone for longer is asked again all the same. At an address without a name anybody of the network may
/// have taken the place of the one that is meant.
const LONGEST_RETRY_AFTER: Duration = LONGEST_REFUSED;
const LONGEST_RETRY_AFTER_OF_ANY: Duration = Duration::from_secs(60);

/// Delays for one neighbour.
#[derive(Debug)]
pub(crate) struct Plan {
    loopback: bool,
    longest_retry_after: Duration,
    nobody: Backoff,
    refused: Backoff,
    failing_since: Option<Timestamp>,
}

impl Plan {
    /// For a neighbour at this address that is to have this name, or one that may be any member.
    pub(crate) fn new(addr: IpAddr, name: Option<&str>) -> Self {
        let loopback = addr.to_canonical().is_loopback();
        let ((least, most), refused) = match loopback {
            true => (LOOPBACK_DELAYS, LOOPBACK_REFUSED),
            false => (REMOTE_DELAYS, REMOTE_REFUSED),
        };
        Self {
            loopback,
            longest_retry_after: if name.is_some() { LONGEST_RETRY_AFTER } else { LONGEST_RETRY_AFTER_OF_ANY },
            nobody: Backoff::new(least, most),
            refused: Backoff::new(refused, LONGEST_REFUSED),
            failing_since: None,
        }
    }

    /// The delay after a try that ended so.
    pub(crate) fn next(&mut self, ended: &Ended, now: Timestamp, rng: &mut impl Rng) -> Duration {
        let since = *self.failing_since.get_or_insert(now);
        if self.loopback && now.elapsed(since) >= GIVEN_UP {
            self.nobody.set_most(LOOPBACK_LATER);
        }
        // Whoever refuses and has not proven to be a member may be a stranger where the neighbour comes back soon: as if nobody were there.
        let proven = ended.refused && !ended.unproven;
        let delay = if proven { self.refused.next(rng) } else { self.nobody.next(rng) };
        delay.max(ended.retry_after().min(self.longest_retry_after))
    }

    /// Something was changed here that may be why we were refused: what was refused before says little now.
    pub(crate) const fn changed(&mut self) {
        self.refused.reset();
    }

    /// A link lived.
    pub(crate) fn worked(&mut self) {
        self.nobody.reset();
        self.changed();
        self.failing_since = None;
        if self.loopback {
            self.nobody.set_most(LOOPBACK_DELAYS.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rumormill_wire::native::{Bye, ByeCode};

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);

    /// Tries within a time, each of which ends so at once.
    fn tries(plan: &mut Plan, ended: &Ended, begun: Timestamp, within: Duration) -> usize {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut now, mut tries) = (begun, 0);
        while now < begun.after(within) {
            now = now.after(plan.next(ended, now, &mut rng));
            tries += 1;
        }
        tries
    }

    #[test]
    fn nobody_there_is_tried_soon_and_after_a_minute_less_often() {
        let (mut plan, now) = (Plan::new(LOOPBACK, Some("b")), Timestamp::ZERO);
        let nobody = Ended::passing("connection refused");
        let first = tries(&mut plan, &nobody, now, Duration::from_secs(10));
        assert!((20..=50).contains(&first), "at least twice a second: {first}");
        let later = tries(&mut plan, &nobody, now.after(Duration::from_secs(60)), Duration::from_secs(600));
        assert!((120..=250).contains(&later), "every 5 s: {later}");
        plan.worked();
        assert!(plan.next(&nobody, now, &mut StdRng::seed_from_u64(1)) <= Duration::from_millis(20));
    }

    #[test]
    fn a_refusal_is_tried_minutes_later_in_the_end() {
        let (mut plan, now) = (Plan::new(LOOPBACK, Some("b")), Timestamp::ZERO);
        let refused = Ended::refused("certificate from another CA");
        let hour = tries(&mut plan, &refused, now, Duration::from_secs(3_600));
        assert!((15..=40).contains(&hour), "today it was some 7,200: {hour}");
    }

    #[test]
    fn after_a_change_here_a_refusal_is_tried_as_soon_as_the_first_one() {
        let (mut plan, now) = (Plan::new(LOOPBACK, Some("b")), Timestamp::ZERO);
        let refused = Ended::refused("certificate expired");
        tries(&mut plan, &refused, now, Duration::from_secs(3_600));
        let mut rng = StdRng::seed_from_u64(1);
        assert!(plan.next(&refused, now, &mut rng) > Duration::from_secs(60));
        plan.changed();
        assert!(plan.next(&refused, now, &mut rng) <= LOOPBACK_REFUSED);
    }

    #[test]
    fn who_wants_to_be_left_alone_is_for_some_minutes() {
        let mut rng = StdRng::seed_from_u64(1);
        let said = |retry_after_s| {
            Ended::by(Bye { code: ByeCode::MISBEHAVIOUR, retry_after_s, reason: "banned for a while".into() })
        };
        let mut plan = Plan::new(LOOPBACK, Some("b"));
        assert!(plan.next(&said(60), Timestamp::ZERO, &mut rng) >= Duration::from_secs(60));
        assert!(plan.next(&said(0), Timestamp::ZERO, &mut rng) < Duration::from_secs(1));
    }

    #[test]
    fn nobody_keeps_us_away_for_longer_than_we_would_stay_away_and_any_member_for_a_minute() {
        let mut rng = StdRng::seed_from_u64(1);
        let forever = Ended::by(Bye { code: ByeCode::OVERLOAD, retry_after_s: u16::MAX, reason: "full".into() });
        for (name, most) in [(Some("b"), 300), (None, 60)] {
            let mut plan = Plan::new(LOOPBACK, name);
            assert_eq!(plan.next(&forever, Timestamp::ZERO, &mut rng), Duration::from_secs(most), "{name:?}");
        }
    }

    /// Whoever sits where a neighbour is expected, and has proven nothing, does not make us look rarely for that neighbour.
    #[test]
    fn what_a_stranger_answers_delays_no_try_for_long() {
        let mut rng = StdRng::seed_from_u64(1);
        let unproven = Ended { unproven: true, ..Ended::refused("certificate from another CA") };
        for (ip, most) in [(LOOPBACK, LOOPBACK_LATER), ([192, 0, 2, 1].into(), REMOTE_DELAYS.1)] {
            let (mut plan, now) = (Plan::new(ip, Some("b")), Timestamp::ZERO);
            let count = |ended: &Ended, within| tries(&mut Plan::new(ip, Some("b")), ended, now, within);
            for within in [10, 60, 600].map(Duration::from_secs) {
                assert_eq!(count(&unproven, within), count(&Ended::passing("nobody"), within), "{ip}");
            }
            tries(&mut plan, &unproven, now, Duration::from_secs(3_600));
            assert!(plan.next(&unproven, now.after(Duration::from_secs(3_600)), &mut rng) <= most, "{ip}");
            let proven = plan.next(&Ended::refused("its word over the link"), now, &mut rng);
            assert!(proven <= REMOTE_REFUSED, "what strangers said counts for no member: {proven:?}");
        }
    }
}
