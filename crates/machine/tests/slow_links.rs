//! Links that take less than what is said: authors share them, and nobody waits for what others pour.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod world;

use world::World;
use world::gossip::Disk;
use world::node::config;

const SECOND: u64 = 1_000_000;
const KIB: u64 = 1_024;

/// One that pours, one that passes on, one behind a slow link, one that talks, and four more that pour.
const POURS: usize = 0;
const BEHIND: usize = 2;
const TALKS: usize = 3;
const MORE: [usize; 4] = [4, 5, 6, 7];
const STAR: &[&[usize]] = &[&[1], &[], &[1], &[1], &[1], &[1], &[1], &[1]];

/// So many bytes a second go to the last node.
fn star(seed: u64, rate: u64) -> World {
    let mut world = World::new(seed, config(), STAR);
    world.slow(1, BEHIND, rate);
    world.until(10 * SECOND, "all are linked", |w| w.linked(1).len() == STAR.len() - 1);
    world.run_for(2 * SECOND);
    world
}

/// How many messages of the one that talks are behind the slow link.
fn heard(world: &World) -> u64 {
    let of = World::id(TALKS);
    let ends = world.nodes[BEHIND].machine.gossip().ends();
    ends.filter(|(origin, _)| origin.node == of).map(|(_, next)| next.0 - 1).sum()
}

/// Talks for so many steps of 20 ms while these pour two megabytes a second, all together. Gives the times, in order, from a word said until
/// it was heard behind the slow link.
fn talk(world: &mut World, steps: u64, pour: &[usize]) -> Vec<u64> {
    let text = "x".repeat(32_000);
    let (mut said, mut times) = (Vec::new(), Vec::new());
    for step in 0..steps {
        if step % 4 != 3 {
            // Of one, a little less than its allowance: 2 MiB/s.
            let _ = world.say(pour[usize::try_from(step).unwrap() % pour.len()], &text);
        }
        if step % 5 == 0 {
            world.say(TALKS, "a word").unwrap();
            said.push(world.now);
        }
        run(world, 20, &said, &mut times);
    }
    run(world, 5_000, &said, &mut times);
    assert_eq!(times.len(), said.len(), "all words are heard: {}", world.describe());
    times.sort_unstable();
    times
}

/// Runs for so many milliseconds, and notes when what was said is heard.
fn run(world: &mut World, millis: u64, said: &[u64], times: &mut Vec<u64>) {
    for _ in 0..millis {
        world.run_for(1_000);
        while u64::try_from(times.len()).unwrap() < heard(world) {
            times.push(world.now - said[times.len()]);
        }
    }
}

#[test]
fn who_pours_over_a_slow_link_holds_up_nobody() {
    for (rate, pour, within) in [
        (256 * KIB, &[POURS][..], SECOND),
        (256 * KIB, &[&[POURS][..], &MORE].concat(), SECOND),
        (32 * KIB, &[POURS], 4 * SECOND),
        (32 * KIB, &[&[POURS][..], &MORE].concat(), 4 * SECOND),
    ] {
        let mut world = star(1, rate);
        let times = talk(&mut world, 600, pour);
        let (middle, longest) = (times[times.len() / 2], times[times.len() - 1]);
        assert!(
            middle < within * 3 / 4 && longest < within,
            "{rate} B/s, {} pour: half within {middle} us, all within {longest} us",
            pour.len()
        );
        assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
    }
}

#[test]
fn who_comes_back_over_a_slow_link_hears_what_is_new_whatever_one_author_left_behind() {
    let mut world = star(2, 256 * KIB);
    world.crash(BEHIND);
    let text = "x".repeat(32_000);
    // An author with many incarnations, in each of which it left much.
    for _ in 0..40 {
        (0..4).for_each(|_| drop(world.say(POURS, &text)));
        world.run_for(SECOND);
        world.crash(POURS);
        world.nodes[POURS].disk = Disk::default();
        world.restart(POURS);
        world.until(60 * SECOND, "it is back", |w| !w.linked(POURS).is_empty());
        world.run_for(SECOND);
    }
    let origins = world.nodes[1].machine.gossip().ends().filter(|(origin, _)| origin.node == World::id(POURS)).count();
    assert!(origins >= 20, "{origins} incarnations");
    world.restart(BEHIND);
    world.until(60 * SECOND, "it is linked", |w| !w.linked(BEHIND).is_empty());
    let (mut said, mut times) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        world.say(TALKS, "a word").unwrap();
        said.push(world.now);
        run(&mut world, 100, &said, &mut times);
    }
    run(&mut world, 5_000, &said, &mut times);
    assert_eq!(times.len(), said.len(), "all words are heard: {}", world.describe());
    times.sort_unstable();
    let longest = times[times.len() - 1];
    assert!(longest < 2 * SECOND, "all within {longest} us");
}
