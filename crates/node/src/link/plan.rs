//! When a neighbour that has no link is dialled next. Nobody there: soon at first, since a whole line of nodes starts at once,
//! and a process comes back within seconds. Refused: later each time, since that passes only when somebody changes something.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng;
use rumormill_limits::Backoff;

use super::ended::Ended;

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
/// Whoever wants to be left alone for longer is asked again all the same: a peer does not keep us away for more than ten minutes.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Delays for one neighbour.
#[derive(Debug)]
pub(crate) struct Plan {
    loopback: bool,
    nobody: Backoff,
    refused: Backoff,
    failing_since: Option<Instant>,
}

impl Plan {
    pub(crate) fn new(addr: IpAddr) -> Self {
        let loopback = addr.to_canonical().is_loopback();
        let ((least, most), refused) =
            if loopback { (LOOPBACK_DELAYS, LOOPBACK_REFUSED) } else { (REMOTE_DELAYS, REMOTE_REFUSED) };
        let refused = Backoff::new(refused, LONGEST_REFUSED);
        Self { loopback, nobody: Backoff::new(least, most), refused, failing_since: None }
    }

    /// The delay after a try that ended so.
    pub(crate) fn next(&mut self, ended: &Ended, now: Instant, rng: &mut impl Rng) -> Duration {
        let since = *self.failing_since.get_or_insert(now);
        if self.loopback && now.saturating_duration_since(since) >= GIVEN_UP {
            self.nobody.set_most(LOOPBACK_LATER);
        }
        let delay = if ended.refused { self.refused.next(rng) } else { self.nobody.next(rng) };
        delay.max(ended.retry_after().min(LONGEST_RETRY_AFTER))
    }

    /// Something was changed here that may be why we were refused: what was refused before says little now.
    pub(crate) const fn changed(&mut self) {
        self.refused.reset();
    }

    /// A link lived.
    pub(crate) fn worked(&mut self) {
        self.nobody.reset();
        self.refused.reset();
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

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Tries within a time, each of which ends so at once.
    fn tries(plan: &mut Plan, ended: &Ended, begun: Instant, within: Duration) -> usize {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut now, mut tries) = (begun, 0);
        while now < begun + within {
            now += plan.next(ended, now, &mut rng);
            tries += 1;
        }
        tries
    }

    #[test]
    fn nobody_there_is_tried_soon_and_after_a_minute_less_often() {
        let (mut plan, now) = (Plan::new(LOOPBACK), Instant::now());
        let nobody = Ended::passing("connection refused");
        let first = tries(&mut plan, &nobody, now, Duration::from_secs(10));
        assert!((20..=50).contains(&first), "at least twice a second: {first}");
        let later = tries(&mut plan, &nobody, now + Duration::from_secs(60), Duration::from_secs(600));
        assert!((120..=250).contains(&later), "every 5 s: {later}");
        plan.worked();
        assert!(plan.next(&nobody, now, &mut StdRng::seed_from_u64(1)) <= Duration::from_millis(20));
    }

    #[test]
    fn a_refusal_is_tried_minutes_later_in_the_end() {
        let (mut plan, now) = (Plan::new(LOOPBACK), Instant::now());
        let refused = Ended::refused("certificate from another CA");
        let hour = tries(&mut plan, &refused, now, Duration::from_secs(3_600));
        assert!((15..=40).contains(&hour), "today it was some 7,200: {hour}");
    }

    #[test]
    fn after_a_change_here_a_refusal_is_tried_as_soon_as_the_first_one() {
        let (mut plan, now) = (Plan::new(LOOPBACK), Instant::now());
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
        let mut plan = Plan::new(LOOPBACK);
        assert!(plan.next(&said(60), Instant::now(), &mut rng) >= Duration::from_secs(60));
        assert!(plan.next(&said(u16::MAX), Instant::now(), &mut rng) <= LONGEST_RETRY_AFTER);
        assert!(plan.next(&said(0), Instant::now(), &mut rng) < Duration::from_secs(1));
    }
}
