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

fn legacy() -> MeshPeer {
    MeshPeer::new(settings("Z"), time(0))
}

fn time(ms: u64) -> Timestamp {
    Timestamp(ms * 1_000)
}

/// All that it does up to a time, with the time of each, in steps of 100 ms.
fn run(peer: &mut MeshPeer, from: u64, to: u64) -> Vec<(u64, Output)> {
    let mut outputs = Vec::new();
    for now in (from..to).step_by(100) {
        peer.handle(time(now), Input::Timeout).unwrap();
        while let Some(output) = peer.poll_output() {
            outputs.push((now, output));
        }
        assert!(peer.next_timeout().is_none_or(|at| at > time(now)), "what was due is done");
    }
    outputs
}

fn hear(peer: &mut MeshPeer, now: u64, from: SocketAddr, entries: &[(char, u16)]) {
    let mut bytes = Vec::new();
    let entries = entries.iter().map(|(name, port)| (NameChar::new(*name).unwrap(), *port));
    encode_directory(entries, &mut bytes).unwrap();
    let Ok(Datagram::Directory(entries)) = Datagram::parse(&bytes) else { panic!("no directory") };
    // From a stranger it is rejected.
    let _ = peer.handle(time(now), Input::Directory { from, entries });
}

#[test]
fn one_that_is_in_no_directory_says_so_after_two_seconds_and_asks_again_with_back_off() {
    let mut peer = legacy();
    let outputs = run(&mut peer, 0, 40_000);
    let births: Vec<_> = outputs.iter().filter(|(_, output)| *output == Output::Birth).map(|(at, _)| *at).collect();
    assert_eq!(births, [0, 2_000, 6_000, 14_000, 22_000, 30_000, 38_000]);
    assert_eq!(outputs[1], (2_000, Output::Tell(Tell::LeftOut)));
    assert!(
        outputs.iter().all(|(_, output)| !matches!(output, Output::KeepAlive { .. })),
        "a peer that is not taken keeps nobody alive"
    );
}

#[test]
fn a_listed_peer_beats_and_leaves_itself_out_by_its_port() {
    let mut peer = legacy();
    run(&mut peer, 0, 100);
    hear(&mut peer, 50, at(3_000), &[('Z', 3_005), ('A', 3_001)]);
    assert!(peer.is_listed());
    assert_eq!(peer.peers().values().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["A"]);
    let outputs = run(&mut peer, 100, 5_100);
    assert_eq!(outputs[0].1, Output::Tell(Tell::Registered));
    assert_eq!(outputs.iter().filter(|(_, output)| matches!(output, Output::KeepAlive { .. })).count(), 10 - 1);
    assert!(outputs.iter().all(|(_, output)| *output != Output::Birth));
    // Silence of the directory means nothing, however long.
    let outputs = run(&mut peer, 5_100, 600_000);
    assert!(outputs.iter().all(|(_, output)| matches!(output, Output::KeepAlive { .. })), "{outputs:?}");
    hear(&mut peer, 600_000, at(3_000), &[('Z', 3_005)]);
    assert!(peer.is_listed() && peer.peers().is_empty());
}

#[test]
fn a_directory_that_has_forgotten_us_is_asked_again() {
    let mut peer = legacy();
    run(&mut peer, 0, 100);
    hear(&mut peer, 100, at(3_000), &[('Z', 3_005)]);
    // Our name with another port, or our port with another name, is somebody else.
    for (n, entries) in [[('Z', 3_001)], [('A', 3_005)]].iter().enumerate() {
        let now = 1_000 * (n as u64 + 1);
        hear(&mut peer, now, at(3_000), entries);
        let outputs = run(&mut peer, now, now + 500);
        assert!(
            outputs.contains(&(now, Output::Tell(Tell::Lost))) && outputs.contains(&(now, Output::Birth)),
            "{outputs:?}"
        );
        hear(&mut peer, now + 500, at(3_000), &[('Z', 3_005)]);
    }
    run(&mut peer, 2_500, 2_600);
    // One that was restarted says nothing at all: it does not know us.
    peer.handle(time(2_600), Input::Restarted).unwrap();
    let outputs = run(&mut peer, 2_600, 3_000);
    assert_eq!(outputs, [(2_600, Output::Tell(Tell::Lost)), (2_600, Output::Birth)]);
    hear(&mut peer, 3_000, at(3_000), &[('Z', 3_005)]);
    // Nor does one for which we were silent too long.
    run(&mut peer, 3_000, 4_001);
    assert_eq!(run(&mut peer, 5_400, 5_401), [(5_400, Output::KeepAlive { version: 0 })], "not yet");
    let outputs = run(&mut peer, 6_900, 7_000);
    assert_eq!(outputs, [(6_900, Output::Tell(Tell::Lost)), (6_900, Output::Birth)]);
    hear(&mut peer, 7_000, at(3_000), &[('Z', 3_005)]);
    peer.handle(time(16_100), Input::Unreachable).unwrap();
    assert!(!peer.is_listed());
    assert_eq!(run(&mut peer, 16_100, 18_200).last(), Some(&(18_100, Output::Birth)));
}

#[test]
fn a_directory_may_speak_from_another_port_until_it_speaks_from_its_own() {
    let mut peer = legacy();
    hear(&mut peer, 0, at(40_000), &[('Z', 3_005)]);
    assert!(peer.is_listed());
    hear(&mut peer, 0, at(3_000), &[('Z', 3_005), ('A', 3_001)]);
    hear(&mut peer, 0, at(40_000), &[('X', 1)]);
    hear(&mut peer, 0, ([127, 0, 0, 9], 3_000).into(), &[('X', 1)]);
    assert!(peer.is_listed() && peer.peers().contains_key(&at(3_001)));
}

#[test]
fn the_counter_is_hexadecimal_and_grows_with_nobody_there() {
    let mut peer = MeshPeer::new(Settings { broadcast: Some(ms(4_000)), ..settings("Z") }, time(0));
    let texts = run(&mut peer, 0, 4_000 * 18).into_iter().filter_map(|(at, output)| match output {
        Output::Broadcast(text) => Some((at, text)),
        _ => None,
    });
    let texts = texts.collect::<Vec<_>>();
    assert_eq!(texts[0], (4_000, "peerZ_broadcast_0".into()));
    assert_eq!(texts[10], (44_000, "peerZ_broadcast_a".into()));
    assert_eq!(texts[16], (68_000, "peerZ_broadcast_10".into()));
    peer.handle(time(72_000), Input::Broadcast { every: None }).unwrap();
    assert!(run(&mut peer, 72_000, 90_000).iter().all(|(_, output)| !matches!(output, Output::Broadcast(_))));
}

#[test]
fn a_refusal_is_told_once_and_disconnect_is_silence() {
    let mut peer = legacy();
    run(&mut peer, 0, 100);
    let refused = |from, why| Input::Refused { from: at(from), why };
    peer.handle(time(100), refused(3_000, Refusal::Name)).unwrap();
    peer.handle(time(100), refused(3_000, Refusal::Name)).unwrap();
    let stranger = peer.handle(time(100), refused(3_001, Refusal::Port));
    assert_eq!(stranger, Err(Reject::Stranger(at(3_001))));
    assert_eq!(run(&mut peer, 100, 200), [(100, Output::Tell(Tell::Refused(Refusal::Name)))]);
    hear(&mut peer, 200, at(3_000), &[('Z', 3_005)]);
    run(&mut peer, 200, 300);
    peer.handle(time(0), Input::Disconnect).unwrap();
    hear(&mut peer, 300, at(3_000), &[('Z', 3_005)]);
    assert_eq!(run(&mut peer, 300, 60_000), []);
    peer.handle(time(60_000), Input::Connect).unwrap();
    assert_eq!(run(&mut peer, 60_000, 60_100), [(60_000, Output::Birth)]);
}

fn entry(port: u16, key: u8, name: &str) -> Entry<'_> {
    Entry { character: None, addr: at(port), identity: Some(Identity { key: [key; 32], name }) }
}

fn part(peer: &mut MeshPeer, now: u64, version: u64, total: u32, offset: u32, entries: &[Entry<'_>]) {
    let mut bytes = Vec::new();
    encode_part(version, total, offset, entries.iter().copied(), &mut bytes).unwrap();
    let Ok(Datagram::Extended(Extended::Part(part))) = Datagram::parse(&bytes) else { panic!("no part") };
    peer.handle(time(now), Input::Part { from: at(3_000), part: &part }).unwrap();
}

fn changes(peer: &mut MeshPeer, now: u64, base: u64, changes: &[Change<'_>]) {
    let mut bytes = Vec::new();
    encode_changes(base, changes.iter().copied(), &mut bytes).unwrap();
    let Ok(Datagram::Extended(Extended::Changes(changes))) = Datagram::parse(&bytes) else { panic!("no changes") };
    peer.handle(time(now), Input::Changes { from: at(3_000), changes: &changes }).unwrap();
}

#[test]
fn the_extended_directory_comes_in_parts_and_then_as_changes() {
    // P-U4, P-U5
    let mut peer = MeshPeer::new(settings("anna"), time(0));
    assert_eq!(run(&mut peer, 0, 100), [(0, Output::Birth)]);
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
    assert!(run(&mut peer, 3_000, 4_000).iter().any(|(_, output)| *output == Output::KeepAlive { version: 10 }));
    changes(&mut peer, 4_000, 10, &[Change::Went(at(3_005))]);
    assert!(run(&mut peer, 4_000, 4_100).contains(&(4_000, Output::Tell(Tell::Lost))));
    // Under our address, but another key: not us.
    part(&mut peer, 4_100, 30, 1, 0, &[entry(3_005, 6, "anna")]);
    assert!(!peer.is_listed());
    // P-U10: listed alone, it says that it has received that; listed alone once more, it is alone.
    run(&mut peer, 4_100, 4_200);
    part(&mut peer, 4_200, 31, 1, 0, &[entry(3_005, 5, "anna")]);
    assert!(!peer.is_listed());
    assert_eq!(run(&mut peer, 4_200, 4_300)[0].1, Output::KeepAlive { version: 31 });
    part(&mut peer, 4_300, 9, 1, 0, &[entry(3_005, 5, "anna")]);
    assert!(peer.is_listed());
    // P-U8
    peer.handle(time(4_300), Input::Refused { from: at(3_000), why: Refusal::Unknown }).unwrap();
    assert!(!peer.is_listed());
    part(&mut peer, 4_400, 31, 1, 0, &[entry(3_005, 5, "anna")]);
    assert!(!peer.is_listed(), "of another directory, perhaps");
    part(&mut peer, 4_400, 9, 2, 0, &[entry(3_005, 5, "anna"), entry(1, 1, "a")]);
    assert!(peer.is_listed());
    peer.handle(time(0), Input::Disconnect).unwrap();
    assert!(run(&mut peer, 4_400, 4_500).contains(&(4_400, Output::Leave)));
}
