//! The ledger alone.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use rumormill_wire::NetworkId;

use super::*;

const SECOND: u64 = 1_000_000;
const PEER: NodeId = NodeId([1; 32]);
const BURST: u64 = 64 * 1024;
const ORIGINS: usize = 100;

fn config() -> EngineConfig {
    EngineConfig {
        answer_bytes: BURST,
        answer_bytes_per_s: 1_024,
        fresh_bytes: 1,
        fresh_bytes_per_s: 1_024,
        ..EngineConfig::new(NetworkId([7; 32]))
    }
}

fn kept() -> LogSize {
    LogSize { bundles: 1 << 20, origins: ORIGINS, certificates: 50 * 500, members: 50, revocations: 0 }
}

fn all() -> u64 {
    kept().whole_log() + whole_list(ORIGINS)
}

/// Gives over a link until its node has had its share; how much that was.
fn give_all(shares: &mut Shares, id: LinkId, now: Timestamp) -> u64 {
    let mut given = 0;
    while shares.wait_us(id, now).is_none() {
        shares.charge(id, 1_000, now);
        given += 1_000;
    }
    given
}

#[test]
fn a_newcomer_is_given_all_that_we_keep_and_then_its_share() {
    let (mut shares, now) = (Shares::new(&config()), Timestamp(SECOND));
    assert!(shares.link_up(LinkId(1), PEER, &kept(), now), "there is enough for all");
    let given = give_all(&mut shares, LinkId(1), now);
    let most = kept().whole_log() + BURST;
    assert!((most..most + 2_000).contains(&given), "{given} of {most}");
    assert_eq!(shares.left(LinkId(1), now), 0);
    // Lists are counted apart: those of everything it still has, twice.
    assert_eq!(shares.lists_wait_us(LinkId(1), now), None);
    shares.charge_lists(LinkId(1), usize::try_from(whole_list(ORIGINS)).unwrap(), now);
    assert!(shares.lists_wait_us(LinkId(1), now).is_some());
}

#[test]
fn who_links_again_and_again_has_one_share_and_four_logs() {
    let (mut shares, now) = (Shares::new(&config()), Timestamp(SECOND));
    let (mut given, mut enough) = (0, 0);
    for n in 0..20 {
        enough += u64::from(shares.link_up(LinkId(n), PEER, &kept(), now));
        given += give_all(&mut shares, LinkId(n), now);
        shares.link_down(LinkId(n));
    }
    assert!((3..=4).contains(&enough), "{enough}");
    assert!(given <= 4 * all() + BURST + 20 * 1_000, "{given}");
    shares.link_up(LinkId(30), NodeId([2; 32]), &kept(), now);
    assert!(give_all(&mut shares, LinkId(30), now) >= kept().whole_log(), "another has its own");
}

#[test]
fn what_is_new_goes_to_all_but_to_whom_it_came_from() {
    let (mut shares, now) = (Shares::new(&config()), Timestamp(SECOND));
    let links = [1, 2].map(LinkId);
    for (id, peer) in links.iter().zip([PEER, NodeId([2; 32])]) {
        shares.link_up(*id, peer, &LogSize::default(), now);
        give_all(&mut shares, *id, now);
    }
    shares.new_for_all(10_000, Some(500), &[LinkId(1)], ORIGINS);
    let left = links.map(|id| shares.left(id, now));
    assert_eq!(left, [0, 10_500 + 2 * OVERHEAD]);
    shares.charge(LinkId(2), 10_500 + 2 * OVERHEAD, now);
    assert_eq!(shares.left(LinkId(2), now), 0, "once");
}

#[test]
fn lists_are_earned_by_bundles_that_are_new_there() {
    let (mut shares, now) = (Shares::new(&config()), Timestamp(SECOND));
    shares.link_up(LinkId(1), PEER, &kept(), now);
    let spend = |shares: &mut Shares| {
        let mut spent = 0;
        while shares.lists_wait_us(LinkId(1), now).is_none() {
            shares.charge_lists(LinkId(1), 64, now);
            spent += 64;
        }
        spent
    };
    spend(&mut shares);
    for _ in 0..10 {
        shares.charge_bundle(LinkId(1), 100, ORIGINS, now);
    }
    let earned = spend(&mut shares);
    assert!((10 * LISTS_FOR_BUNDLE..=10 * LISTS_FOR_BUNDLE + 64).contains(&earned), "{earned}");
    give_all(&mut shares, LinkId(1), now);
    shares.charge_bundle(LinkId(1), 100, ORIGINS, now);
    assert_eq!(spend(&mut shares), 0, "one that it had before earns none");
}

proptest! {
    /// Whatever is asked for in whatever order, over however many links: no more goes out than four logs with their lists, what was
    /// new, and the share.
    #[test]
    fn nothing_beyond_what_is_new_and_a_share(steps in proptest::collection::vec((0..4_u8, 1..3_u64, 1..5_000_usize), 1..200)) {
        let (mut shares, now) = (Shares::new(&config()), Timestamp(SECOND));
        let (mut up, mut out, mut new) = ([false; 4], 0_u64, 0_u64);
        for (what, link, bytes) in steps {
            let (id, slot) = (LinkId(link), usize::try_from(link).unwrap());
            match what {
                0 if up[slot] => {
                    shares.link_down(id);
                    up[slot] = false;
                }
                0 => {
                    shares.link_up(id, PEER, &kept(), now);
                    up[slot] = true;
                }
                1 => {
                    shares.new_for_all(bytes, None, &[], ORIGINS);
                    // To each link once.
                    new += 2 * u64::try_from(bytes + OVERHEAD).unwrap();
                }
                2 if up[slot] && shares.wait_us(id, now).is_none() => {
                    shares.charge(id, bytes, now);
                    out += u64::try_from(bytes).unwrap();
                }
                _ if up[slot] && shares.lists_wait_us(id, now).is_none() => {
                    shares.charge_lists(id, bytes, now);
                    out += u64::try_from(bytes).unwrap();
                }
                _ => {}
            }
        }
        // Lists may overdraw the share by half of it, and what is begun by its own length.
        prop_assert!(out <= 4 * all() + new + 2 * BURST + 4 * 5_000, "{out}");
    }
}
