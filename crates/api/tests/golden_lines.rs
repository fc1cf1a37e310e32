//! The lines on the local socket, byte for byte: what scripts are written against. A line of the golden file that changes breaks them.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

use rumormill_api::{DoorInfo, Frontier, Info, LogLine, NeighbourInfo, PeerInfo, Reply, Request, RevocationPart, Sent};

const GOLDEN: &str = include_str!("golden/lines.jsonl");

fn requests() -> Vec<Request> {
    vec![
        Request::Send { text: "hello, \"world\"".into(), room: String::new(), kind: None },
        Request::Send { text: "read this".into(), room: "tea".into(), kind: Some("notice".into()) },
        Request::Log { follow: false, room: None, last: None, mark: false },
        Request::Log { follow: true, room: Some("tea".into()), last: Some(10), mark: true },
        Request::Peers,
        Request::Unlinked,
        Request::Doors,
        Request::Metrics,
        Request::Info,
        Request::Frontier { node: "ab".repeat(32) },
        Request::RevocationPart { place: 171 },
        Request::Shutdown,
    ]
}

fn line() -> LogLine {
    LogLine {
        origin: "ab".repeat(32),
        incarnation: 1_795_238_529,
        seq: 7,
        time: "2026-11-21T05:22:09.000001Z".into(),
        kind: "chat".into(),
        room: "tea".into(),
        text: "hello,\n\"world\" \u{1b}[2J \u{202e}".into(),
        verified: true,
        door: None,
        claimed: None,
        late: false,
        revoked: false,
        from: Some("alice".into()),
    }
}

fn peer() -> PeerInfo {
    PeerInfo {
        name: "bob".into(),
        node: "cd".repeat(32),
        addr: "127.0.0.1:7000".parse().unwrap(),
        direction: "outbound".into(),
        up_s: 5,
        lag: 1,
        behind: 2,
        in_sync: false,
        why: Some("catching-up".into()),
        revocations: Some(3),
        certificate_not_after: 1_800_000_000,
        clock_off_s: -61,
        tls_version: "TLS1.3".into(),
        tls_group: "X25519MLKEM768".into(),
        bytes_in: 10,
        bytes_out: 11,
    }
}

fn replies() -> Vec<Reply> {
    let bridged = LogLine {
        kind: "bridged".into(),
        room: "".into(),
        verified: false,
        door: Some("udp-mesh#2".into()),
        claimed: Some("A".into()),
        late: true,
        from: None,
        ..line()
    };
    let neighbour = NeighbourInfo {
        name: Some("carol".into()),
        addr: "[::1]:7001".parse().unwrap(),
        tries: 4,
        reason: "the peer said goodbye (code 2)".into(),
        said: Some("full".into()),
        failed_s: Some(1),
        next_s: Some(2),
    };
    let untried = NeighbourInfo {
        name: None,
        tries: 0,
        reason: String::new(),
        said: None,
        failed_s: None,
        next_s: None,
        ..neighbour.clone()
    };
    let counters = BTreeMap::from([("in".to_owned(), 1), ("out".to_owned(), 2)]);
    vec![
        Reply::Sent(Sent {
            origin: "ab".repeat(32),
            incarnation: 1,
            seq: 2,
            time: "1970-01-01T00:00:00.000000Z".into(),
        }),
        Reply::Line(line()),
        Reply::Line(bridged),
        Reply::Missed { messages: 3 },
        Reply::Current {},
        Reply::End {},
        Reply::Peers(vec![peer(), PeerInfo { why: None, revocations: None, ..peer() }]),
        Reply::Unlinked(vec![neighbour, untried]),
        Reply::Doors(vec![DoorInfo {
            door: "peer-line".into(),
            listen: "127.0.0.1:7002".parse().unwrap(),
            counters: counters.clone(),
        }]),
        Reply::Metrics(counters),
        Reply::Info(Info {
            name: "alice".into(),
            node: "ab".repeat(32),
            incarnation: 1,
            listen: "127.0.0.1:7003".into(),
            fingerprint: "00ff".repeat(8),
            certificate_not_before: 1,
            certificate_not_after: 2,
            revocations: 3,
            revocations_issued: 4,
            revoked_nodes: 5,
            revocations_file: None,
        }),
        Reply::Frontier(Frontier { network: "01".repeat(32), chains: vec![(1, 2), (3, 4)], left_out: 5 }),
        Reply::RevocationPart(RevocationPart { network: "01".repeat(32), list: 3, part: Some("ab01".into()) }),
        Reply::RevocationPart(RevocationPart { network: "01".repeat(32), list: 0, part: None }),
        Reply::Stopping {},
        Reply::Error("it did not work".into()),
        Reply::Wrong("asked for wrongly".into()),
    ]
}

#[test]
fn requests_and_replies_are_the_lines_of_the_golden_file() {
    let requests = requests();
    let mut lines: Vec<_> = requests.iter().map(|request| serde_json::to_string(request).unwrap()).collect();
    let replies = replies();
    lines.extend(replies.iter().map(|reply| serde_json::to_string(reply).unwrap()));
    let golden: Vec<_> = GOLDEN.lines().collect();
    assert_eq!(lines, golden);
    let (asked, answered) = golden.split_at(requests.len());
    for (line, request) in asked.iter().zip(requests) {
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
    }
    for (line, reply) in answered.iter().zip(replies) {
        assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply);
    }
}

#[test]
fn what_an_older_node_leaves_out_has_a_default() {
    let short = r#"{"info":{"name":"a","node":"b","incarnation":1,"listen":"c","fingerprint":"d"}}"#;
    assert!(matches!(serde_json::from_str(short).unwrap(), Reply::Info(Info { revoked_nodes: 0, .. })));
}
