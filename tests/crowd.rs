//! A thousand connections at one door, beside the mesh and another door of the same node.
//!
//! Each message said meanwhile must arrive, whichever way it came in. How long nearly all of them take at most, with the crowd and
//! without, in turn, is the machine's too: it is asserted with `RUMORMILL_TEST_LONG=1` alone, on a quiet machine and a release build,
//! of a hundred messages, and a door fails only if it never keeps within the bound.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout, reason = "a test")]

use std::net::{IpAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rumormill_testkit::legacy::{LegacyUser, protobuf, relay};
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;

const CROWD: usize = 1_000;
/// How many times as long it may take.
const BOUND: f64 = 2.0;
const ROUNDS: usize = 8;
/// A connection for which there is no room is tried again by the system after so long.
const TRIED_AGAIN: Duration = Duration::from_secs(1);

fn is_long() -> bool {
    std::env::var_os("RUMORMILL_TEST_LONG").is_some()
}

fn messages() -> usize {
    if is_long() { 100 } else { 30 }
}

/// From `send` at one node until the other shows it, and from somebody at another door until then; all but the slowest came within this.
fn nearly_all(from: &Node, to: &Node, other: &mut LegacyUser, round: &str) -> [Duration; 2] {
    let (mut talk, mut follow) = (from.talk().unwrap(), to.follow().unwrap());
    let mut seen = |text: &str| while follow.line().unwrap()["text"] != text {};
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..messages() {
        let (own, outside) = (format!("own {round} {n}"), format!("outside {round} {n}"));
        let began = Instant::now();
        talk.send(&own).unwrap();
        seen(&own);
        times[0].push(began.elapsed());
        let began = Instant::now();
        (other.say)(&outside);
        seen(&outside);
        times[1].push(began.elapsed());
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() - 2]
    })
}

/// The crowd, and how long its last had to wait to be connected.
fn crowd(ip: IpAddr, port: u16) -> (Vec<TcpStream>, Duration) {
    let began = Instant::now();
    let crowd = (0..CROWD).map(|_| TcpStream::connect((ip, port)).unwrap()).collect();
    (crowd, began.elapsed())
}

/// All messages arrive beside a crowd at this door, and in the long form nearly as soon; `other` is who speaks at another.
fn beside_a_crowd_at(door: &str, port: u16, other: (&str, fn(IpAddr) -> LegacyUser)) {
    let net = Net::new();
    let mut a = net.node("a", &[]);
    let ip = a.addr.ip();
    for door in [door, other.0] {
        a.words.extend(["--door".into(), door.replace("IP", &ip.to_string())]);
    }
    a.start();
    until("the door is open", || TcpStream::connect((ip, port)).is_ok());
    a.says("a door is open");
    let b = net.start("b", &[&a]);
    until("linked", || b.peers().len() == 1);
    let mut other = other.1(ip);
    let (mut best, mut soonest) = ([[f64::MAX; 2]; 2], Duration::MAX);
    for round in 0..if is_long() { ROUNDS } else { 1 } {
        let quiet = nearly_all(&a, &b, &mut other, &format!("quiet {round}"));
        let coming = thread::spawn(move || crowd(ip, port));
        let arriving = nearly_all(&a, &b, &mut other, &format!("arriving {round}"));
        let (crowd, took) = coming.join().unwrap();
        soonest = soonest.min(took);
        let standing = nearly_all(&a, &b, &mut other, &format!("standing {round}"));
        drop(crowd);
        let ratios =
            [arriving, standing].map(|crowded| [0, 1].map(|n| crowded[n].as_secs_f64() / quiet[n].as_secs_f64()));
        println!(
            "{door}: quiet {quiet:?}; arriving in {took:?} {arriving:?}, standing {standing:?}: times {ratios:.2?} (mesh, other door)"
        );
        for (best, ratio) in best.iter_mut().flatten().zip(ratios.into_iter().flatten()) {
            *best = best.min(ratio);
        }
    }
    if is_long() {
        let kept = best.iter().flatten().all(|best| *best <= BOUND) && soonest < TRIED_AGAIN;
        assert!(kept, "{door}: {best:.2?}, all connected in {soonest:?}");
    }
}

#[test]
fn at_each_door_a_thousand_connections_hold_nothing_else_up() {
    const PROTOBUF: (&str, fn(IpAddr) -> LegacyUser) = ("protobuf-peer,listen=IP:5000,id=10", protobuf);
    for (door, port) in [
        ("peer-line,listen=IP:8080,name=room", 8_080),
        ("push-pull,listen=IP:60085", 60_085),
        ("classroom,listen=IP:10000", 10_000),
        ("relay-43110,listen=IP:43110", 43_110),
    ] {
        beside_a_crowd_at(door, port, PROTOBUF);
    }
    beside_a_crowd_at(PROTOBUF.0, 5_000, ("relay-43110,listen=IP:43110", relay));
}
