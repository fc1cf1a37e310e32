//! Whatever happens, in any order.

use super::super::super::peer::PLACES;
use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Accept(u8),
    Heard(usize),
    End(usize, bool),
    Say,
    Tell(u8, usize),
    Ask(u8),
    /// What the next dials come to: through, refused, or nothing.
    Dials(u8),
    /// Whether writes are done.
    Writes(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..20_000_u64).prop_map(Step::Wait),
        2 => (1..6_u8).prop_map(Step::Accept),
        2 => any::<usize>().prop_map(Step::Heard),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, by_them)| Step::End(n, by_them)),
        2 => Just(Step::Say),
        4 => (1..6_u8, 1..4_usize).prop_map(|(n, frames)| Step::Tell(n, frames)),
        1 => (1..6_u8).prop_map(Step::Ask),
        1 => (0..3_u8).prop_map(Step::Dials),
        1 => any::<bool>().prop_map(Step::Writes),
    ]
}

/// What has been seen of one run.
#[derive(Default)]
struct Seen {
    given: u32,
    done: BTreeMap<u32, Result<(), Unsent>>,
    live: BTreeMap<RelayLinkId, IpAddr>,
    next: RelayLinkId,
    /// When the last write by a link was done.
    free: BTreeMap<RelayLinkId, Timestamp>,
    writing: BTreeSet<RelayLinkId>,
    /// Connections since nobody listened or a link that had lasted ended.
    used: BTreeMap<IpAddr, u32>,
    since: BTreeMap<RelayLinkId, Timestamp>,
}

fn settle(m: &mut DrivenMachine, seen: &mut Seen, now: Timestamp, dials: u8, writes: bool) {
    while let Some(output) = m.0.poll_output() {
        match output {
            Output::Dial { ip, .. } if dials == 0 => {
                let used = seen.used.entry(ip).or_default();
                *used += 1;
                assert!(*used <= PLACES, "{ip} is dialled too often");
                seen.next += 1;
                seen.live.insert(seen.next, ip);
                seen.since.insert(seen.next, now);
                m.dialled(seen.next, ip, now);
            }
            Output::Dial { ip, .. } => {
                if dials == 1 {
                    seen.used.remove(&ip);
                }
                m.dial_failed(ip, dials == 1, "no", now);
            }
            Output::Write { link: id, .. } => {
                assert!(seen.live.contains_key(&id) && seen.writing.insert(id), "one write at a time, to a link");
                let free = seen.free.get(&id).copied();
                assert!(free.is_none_or(|free| now >= free.after(PAUSE)), "written too soon");
                if writes {
                    seen.writing.remove(&id);
                    seen.free.insert(id, now);
                    m.written(id, now);
                }
            }
            Output::Close { link: id } => drop(seen.live.remove(&id)),
            Output::Settled { ticket, result } => assert!(seen.done.insert(ticket, result).is_none(), "told twice"),
            Output::Dropped(_) | Output::Sent => {}
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 1..200)) {
        let mut m = machine(&[2, 3]);
        let (mut seen, mut now, mut dials, mut writes) = (Seen::default(), at(0), 0, true);
        m.start();
        for step in steps {
            match step {
                Step::Wait(ms) => now = now.plus(ms * 1_000),
                Step::Accept(n) => {
                    seen.next += 1;
                    seen.live.insert(seen.next, ip(n));
                    m.accepted(seen.next, ip(n), now);
                }
                Step::Heard(n) => if let Some((id, _)) = seen.live.iter().nth(n % seen.live.len().max(1)) {
                    m.useful(*id, now);
                },
                Step::End(n, by_them) => {
                    let found = seen.live.iter().nth(n % seen.live.len().max(1)).map(|(id, ip)| (*id, *ip));
                    if let Some((id, ip)) = found {
                        seen.live.remove(&id);
                        let dialled = seen.since.get(&id).is_some_and(|since| now.elapsed(*since) >= PERIOD);
                        if dialled && by_them {
                            let used = seen.used.entry(ip).or_default();
                            *used = used.saturating_sub(1);
                        }
                        m.ended(id, by_them, now);
                    }
                }
                Step::Say => m.broadcast(b"x", now),
                Step::Tell(n, frames) => {
                    seen.given += 1;
                    m.send(ip(n), vec![b"x".to_vec(); frames], Some(seen.given), now);
                }
                Step::Ask(n) => {
                    seen.given += 1;
                    m.probe(ip(n), seen.given);
                }
                Step::Dials(n) => dials = n,
                Step::Writes(done) => {
                    writes = done;
                    for id in std::mem::take(&mut seen.writing) {
                        seen.free.insert(id, now);
                        m.written(id, now);
                    }
                }
            }
            settle(&mut m, &mut seen, now, dials, writes);
            m.timeout(now);
            settle(&mut m, &mut seen, now, dials, writes);
            prop_assert!(m.next_timeout().is_none_or(|next| next > now));
            prop_assert!(m.0.timers.iter().all(|(at, ip)| m.0.peers[ip].wake == Some(*at)));
            prop_assert_eq!(m.0.timers.len(), m.0.peers.values().filter(|peer| peer.wake.is_some()).count());
            let queued: usize = m.0.peers.values().map(|peer| peer.queue.len()).sum();
            prop_assert_eq!(queued, m.waiting());
        }
        m.stop();
        settle(&mut m, &mut seen, now, dials, writes);
        prop_assert_eq!(seen.done.len(), usize::try_from(seen.given).unwrap(), "everyone is told");
    }
}
