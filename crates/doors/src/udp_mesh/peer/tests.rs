use rumormill_wire::udp_mesh::extended::{Change, Entry, Extended, Identity, encode_changes, encode_part};
use rumormill_wire::udp_mesh::{Datagram, encode_directory};

use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn settings(name: &str) -> Settings {
    let (heartbeat, broadcast) = (ms(500), None);
    Settings { name: name.into(), own: at(3_005), directory: at(3_000), key: [5; 32], heartbeat, broadcast }
}

fn old() -> Peer {
    Peer::new(settings("Z"), ms(0))
}

/// All that it does up to a time, with the time of each, in steps of 100 ms.
fn run(peer: &mut Peer, from: u64, to: u64) -> Vec<(u64, Act)> {
    let mut acts = Vec::new();
    for now in (from..to).step_by(100) {
        while let Some(act) = peer.act(ms(now)) {
            assert!(peer.wake().is_none_or(|at| at >= ms(now) || !peer.acts.is_empty() || at <= ms(now)));
            acts.push((now, act));
        }
    }
    acts
}

fn hear(peer: &mut Peer, now: u64, from: SocketAddr, entries: &[(char, u16)]) {
    let mut bytes = Vec::new();
    let entries = entries.iter().map(|(name, port)| (Letter::new(*name).unwrap(), *port));
    encode_directory(entries, &mut bytes).unwrap();
    let Ok(Datagram::Directory(entries)) = Datagram::parse(&bytes) else { panic!("no directory") };
    peer.directory(ms(now), from, entries);
}

#[test]
fn one_that_is_in_no_directory_says_so_after_two_seconds_and_asks_again_with_back_off() {
    let mut peer = old();
    let acts = run(&mut peer, 0, 40_000);
    let births: Vec<_> = acts.iter().filter(|(_, act)| *act == Act::Birth).map(|(at, _)| *at).collect();
    assert_eq!(births, [0, 2_000, 6_000, 14_000, 22_000, 30_000, 38_000]);
    assert_eq!(acts[1], (2_000, Act::Tell(Tell::LeftOut)));
    assert!(
        acts.iter().all(|(_, act)| !matches!(act, Act::KeepAlive(_))),
        "a peer that is not taken keeps nobody alive"
    );
}

#[test]
fn a_listed_peer_beats_and_leaves_itself_out_by_its_port() {
    let mut peer = old();
    run(&mut peer, 0, 100);
    hear(&mut peer, 50, at(3_000), &[('Z', 3_005), ('A', 3_001)]);
    assert!(peer.is_listed());
    assert_eq!(peer.peers().values().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["A"]);
    let acts = run(&mut peer, 100, 5_100);
    assert_eq!(acts[0].1, Act::Tell(Tell::Registered));
    assert_eq!(acts.iter().filter(|(_, act)| matches!(act, Act::KeepAlive(_))).count(), 10 - 1);
    assert!(acts.iter().all(|(_, act)| *act != Act::Birth));
    // Silence of the directory means nothing, however long.
    let acts = run(&mut peer, 5_100, 600_000);
    assert!(acts.iter().all(|(_, act)| matches!(act, Act::KeepAlive(_))), "{acts:?}");
    hear(&mut peer, 600_000, at(3_000), &[('Z', 3_005)]);
    assert!(peer.is_listed() && peer.peers().is_empty());
}

#[test]
fn a_directory_that_has_forgotten_us_is_asked_again() {
    let mut peer = old();
    run(&mut peer, 0, 100);
    hear(&mut peer, 100, at(3_000), &[('Z', 3_005)]);
    // Our name with another port, or our port with another name, is somebody else.
    for (n, entries) in [[('Z', 3_001)], [('A', 3_005)]].iter().enumerate() {
        let now = 1_000 * (n as u64 + 1);
        hear(&mut peer, now, at(3_000), entries);
        let acts = run(&mut peer, now, now + 500);
        assert!(acts.contains(&(now, Act::Tell(Tell::Lost))) && acts.contains(&(now, Act::Birth)), "{acts:?}");
        hear(&mut peer, now + 500, at(3_000), &[('Z', 3_005)]);
    }
    run(&mut peer, 2_500, 2_600);
    // One that was restarted says nothing at all: it does not know us.
    peer.restarted(ms(2_600));
    let acts = run(&mut peer, 2_600, 3_000);
    assert_eq!(acts, [(2_600, Act::Tell(Tell::Lost)), (2_600, Act::Birth)]);
    hear(&mut peer, 3_000, at(3_000), &[('Z', 3_005)]);
    // Nor does one for which we were silent too long.
    run(&mut peer, 3_000, 4_001);
    assert_eq!(run(&mut peer, 5_400, 5_401), [(5_400, Act::KeepAlive(0))], "not yet");
    let acts = run(&mut peer, 6_900, 7_000);
    assert_eq!(acts, [(6_900, Act::Tell(Tell::Lost)), (6_900, Act::Birth)]);
    hear(&mut peer, 7_000, at(3_000), &[('Z', 3_005)]);
    peer.unreachable(ms(16_100));
    assert!(!peer.is_listed());
    assert_eq!(run(&mut peer, 16_100, 18_200).last(), Some(&(18_100, Act::Birth)));
}

#[test]
fn a_directory_may_speak_from_another_port_until_it_speaks_from_its_own() {
    let mut peer = old();
    hear(&mut peer, 0, at(40_000), &[('Z', 3_005)]);
    assert!(peer.is_listed());
    hear(&mut peer, 0, at(3_000), &[('Z', 3_005), ('A', 3_001)]);
    hear(&mut peer, 0, at(40_000), &[('X', 1)]);
    hear(&mut peer, 0, ([127, 0, 0, 9], 3_000).into(), &[('X', 1)]);
    assert!(peer.is_listed() && peer.peers().contains_key(&at(3_001)));
}

#[test]
fn the_counter_is_hexadecimal_and_grows_with_nobody_there() {
    let mut peer = Peer::new(Settings { broadcast: Some(ms(4_000)), ..settings("Z") }, ms(0));
    let texts = run(&mut peer, 0, 4_000 * 18).into_iter().filter_map(|(at, act)| match act {
        Act::Broadcast(text) => Some((at, text)),
        _ => None,
    });
    let texts = texts.collect::<Vec<_>>();
    assert_eq!(texts[0], (4_000, "peerZ_broadcast_0".into()));
    assert_eq!(texts[10], (44_000, "peerZ_broadcast_a".into()));
    assert_eq!(texts[16], (68_000, "peerZ_broadcast_10".into()));
    peer.broadcast(ms(72_000), None);
    assert!(run(&mut peer, 72_000, 90_000).iter().all(|(_, act)| !matches!(act, Act::Broadcast(_))));
}

#[test]
fn a_refusal_is_told_once_and_disconnect_is_silence() {
    let mut peer = old();
    run(&mut peer, 0, 100);
    peer.refused(ms(100), at(3_000), Refusal::Name);
    peer.refused(ms(100), at(3_000), Refusal::Name);
    peer.refused(ms(100), at(3_001), Refusal::Port);
    assert_eq!(run(&mut peer, 100, 200), [(100, Act::Tell(Tell::Refused(Refusal::Name)))]);
    hear(&mut peer, 200, at(3_000), &[('Z', 3_005)]);
    run(&mut peer, 200, 300);
    peer.disconnect();
    hear(&mut peer, 300, at(3_000), &[('Z', 3_005)]);
    assert_eq!(run(&mut peer, 300, 60_000), []);
    peer.connect(ms(60_000));
    assert_eq!(run(&mut peer, 60_000, 60_100), [(60_000, Act::Birth)]);
}

fn entry(port: u16, key: u8, name: &str) -> Entry<'_> {
    Entry { letter: None, addr: at(port), identity: Some(Identity { key: [key; 32], name }) }
}

fn part(peer: &mut Peer, now: u64, version: u64, total: u32, offset: u32, entries: &[Entry<'_>]) {
    let mut bytes = Vec::new();
    encode_part(version, total, offset, entries.iter().copied(), &mut bytes).unwrap();
    let Ok(Datagram::Extended(Extended::Part(part))) = Datagram::parse(&bytes) else { panic!("no part") };
    peer.part(ms(now), at(3_000), &part);
}

fn changes(peer: &mut Peer, now: u64, base: u64, changes: &[Change<'_>]) {
    let mut bytes = Vec::new();
    encode_changes(base, changes.iter().copied(), &mut bytes).unwrap();
    let Ok(Datagram::Extended(Extended::Changes(changes))) = Datagram::parse(&bytes) else { panic!("no changes") };
    peer.changes(ms(now), at(3_000), &changes);
}

#[test]
fn the_extended_directory_comes_in_parts_and_then_as_changes() {
    // P-U4, P-U5
    let mut peer = Peer::new(settings("anna"), ms(0));
    assert_eq!(run(&mut peer, 0, 100), [(0, Act::Birth)]);
    changes(&mut peer, 100, 0, &[Change::Came(entry(1, 1, "early"))]);
    part(&mut peer, 100, 7, 3, 1, &[entry(1, 1, "a")]);
    assert!(peer.peers().is_empty(), "no part of a list that has not begun");
    part(&mut peer, 1_000, 7, 3, 0, &[entry(1, 1, "a"), entry(3_005, 5, "anna")]);
    assert_eq!(run(&mut peer, 1_000, 2_900), [], "while parts come nobody is left out");
    part(&mut peer, 2_900, 7, 3, 2, &[entry(2, 2, "b")]);
    assert!(peer.is_listed() && peer.peers().len() == 2);
    let went = Change::Went(at(1));
    changes(&mut peer, 3_000, 7, &[went, Change::Came(entry(9, 9, "c"))]);
    changes(&mut peer, 3_000, 8, &[Change::Came(entry(9, 9, "c")), Change::Came(entry(10, 9, "d"))]);
    changes(&mut peer, 3_000, 12, &[Change::Went(at(2))]);
    assert_eq!(peer.peers().keys().map(|a| a.port()).collect::<Vec<_>>(), [2, 9, 10], "no gap is leapt over");
    assert!(run(&mut peer, 3_000, 4_000).iter().any(|(_, act)| *act == Act::KeepAlive(10)));
    changes(&mut peer, 4_000, 10, &[Change::Went(at(3_005))]);
    assert!(run(&mut peer, 4_000, 4_100).contains(&(4_000, Act::Tell(Tell::Lost))));
    // Under our address, but another key: not us.
    part(&mut peer, 4_100, 30, 1, 0, &[entry(3_005, 6, "anna")]);
    assert!(!peer.is_listed());
    part(&mut peer, 4_200, 31, 1, 0, &[entry(3_005, 5, "anna")]);
    assert!(peer.is_listed());
    // P-U8
    peer.refused(ms(4_300), at(3_000), Refusal::Unknown);
    assert!(!peer.is_listed());
    part(&mut peer, 4_400, 31, 1, 0, &[entry(3_005, 5, "anna")]);
    peer.disconnect();
    assert!(run(&mut peer, 4_400, 4_500).contains(&(4_400, Act::Leave)));
}
