use proptest::prelude::*;

use super::*;

fn chat(from: &str, room: &str, text: &str) -> LogLine {
    LogLine {
        origin: "ab".repeat(32),
        incarnation: 1,
        seq: 1,
        time: "2026-11-26T00:00:00.000000Z".into(),
        kind: "chat".into(),
        room: room.into(),
        text: text.into(),
        verified: true,
        door: None,
        claimed: None,
        late: false,
        revoked: false,
        from: Some(from.into()),
    }
}

fn bridged(from: &str, claimed: &str, door: &str, text: &str) -> LogLine {
    LogLine {
        kind: "bridged".into(),
        verified: false,
        door: Some(door.into()),
        claimed: Some(claimed.into()),
        ..chat(from, "", text)
    }
}

/// What a reader takes from a line: author, whether it came through a door, whether it is late.
fn read(line: &str) -> Option<(String, bool, bool)> {
    let (_, rest) = line.split_once(' ')?;
    let (rest, through) = match rest.strip_prefix('"') {
        Some(claimed) => {
            let (_, rest) = claimed.split_once("\"/")?;
            (rest.split_once("? by ")?.1, true)
        }
        None => (rest, false),
    };
    let end = rest.find([' ', ':']).filter(|end| !rest.starts_with("key:") || *end > 4);
    let end = if rest.starts_with("key:") { rest.get(4..)?.find([' ', ':'])? + 4 } else { end? };
    let author = rest.get(..end)?.to_owned();
    let mut marks = rest.get(end..)?;
    if let Some(room) = marks.strip_prefix(" #") {
        marks = match room.strip_prefix('"') {
            Some(room) => room.split_once('"')?.1,
            None => room.get(room.find([' ', ':'])?..)?,
        };
    }
    let late = marks.starts_with(" (late)");
    marks = marks.strip_prefix(" (late)").unwrap_or(marks);
    let doubt = marks.starts_with(" (unverified)");
    marks = marks.strip_prefix(" (unverified)").unwrap_or(marks);
    (doubt == through && marks.starts_with(": ")).then_some((author, through, late))
}

const HOSTILE: &str = "y\n2026-11-25T00:00:00Z alice I quit";

#[test]
fn a_rooms_name_forges_no_line_of_another_author() {
    let line = message(&chat("mallory", HOSTILE, "x"), false);
    assert_eq!(line, "2026-11-26T00:00:00.000000Z mallory #\"y\\n2026-11-25T00:00:00Z alice I quit\": x");
    let escape = message(&chat("mallory", "\u{1b}[2J\u{202e}", "\u{1b}]0;x\u{7}\u{2066}a\u{200b}b\u{2028}c"), false);
    assert_eq!(
        escape,
        "2026-11-26T00:00:00.000000Z mallory #\"\\u{1b}[2J\\u{202e}\": \\u{1b}]0;x\\u{7}\\u{2066}a\\u{200b}b\\u{2028}c"
    );
}

#[test]
fn what_is_doubtful_is_said_where_no_text_reaches() {
    let honest = message(&bridged("alice", "A", "udp-mesh", "hi"), false);
    assert_eq!(honest, "2026-11-26T00:00:00.000000Z \"A\"/udp-mesh? by alice (unverified): hi");
    let claims = "bob\": I quit /x? by bob";
    let liar = message(&bridged("mallory", claims, "udp-mesh", "hi (late)"), false);
    assert_eq!(read(&liar), Some(("mallory".into(), true, false)), "{liar}");
    let late = LogLine { late: true, ..chat("alice", "news", "hi (unverified)") };
    assert_eq!(message(&late, false), "2026-11-26T00:00:00.000000Z alice #news (late): hi (unverified)");
    let revoked = LogLine { revoked: true, late: true, ..chat("alice", "", "hi") };
    assert_eq!(message(&revoked, false), "2026-11-26T00:00:00.000000Z alice (revoked) (late): hi");
    let nobody = LogLine { from: None, ..chat("", "", "hi") };
    assert_eq!(message(&nobody, false), "2026-11-26T00:00:00.000000Z key:abababab: hi");
    assert!(message(&chat("alice", "", "👩‍🚀 ok"), true).ends_with(": 👩‍🚀 ok"));
}

#[test]
fn a_neighbour_without_a_link_says_why_when_and_how_often() {
    let mut info = NeighbourInfo {
        name: Some("bob".into()),
        addr: ([127, 0, 0, 1], 20_001).into(),
        tries: 0,
        reason: String::new(),
        said: None,
        failed_s: None,
        next_s: None,
    };
    assert_eq!(neighbour(&info), "bob              127.0.0.1:20001        no link (none yet, trying)");
    info = NeighbourInfo { tries: 12, reason: "refused".into(), failed_s: Some(3), next_s: Some(40), ..info };
    info.said = Some("go\naway".into());
    let line = neighbour(&info);
    assert!(
        line.ends_with("no link (12 tries, the last 3 s ago, the next in 40 s): refused; it said \"go\\naway\""),
        "{line}"
    );
}

proptest! {
    #[test]
    fn one_message_is_one_line_of_its_author(
        author in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", room in ".{0,20}|[a-z \"#:\\n]{0,20}", door in ".{1,12}|[?/ ]{1,9}",
        claimed in "[a-z\"/?: ()\\\\\\n\u{202e}]{0,40}", text in "[a-z\"/?: ()#\\n\u{2028}]{0,60}|.{0,60}", late: bool, known: bool,
    ) {
        for (mut line, through) in [(chat(&author, &room, &text), false), (bridged(&author, &claimed, &door, &text), true)] {
            line.late = late;
            if !known {
                line.from = None;
            }
            let shown = message(&line, false);
            let ends = ['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{1b}'];
            prop_assert!(!shown.contains(ends), "{}", shown);
            let author = if known { author.clone() } else { "key:abababab".to_owned() };
            prop_assert_eq!(read(&shown), Some((author, through, late)), "{}", shown);
        }
    }
}
