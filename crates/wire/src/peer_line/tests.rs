//! What programs in use send, and each way to get it wrong.

use super::PeerLineFault as F;
use super::*;

fn at(addr: &str) -> Sender {
    Sender::Plain(addr.parse().unwrap())
}

fn read(text: &str) -> Result<Line<'_>, PeerLineError> {
    Line::parse(text.as_bytes())
}

fn refused<T>(offset: usize, reason: F) -> Result<T, PeerLineError> {
    Err(PeerLineError { offset, reason })
}

#[test]
fn messages_of_programs_in_use() {
    let line = |addr, team, text| Ok(Line { sender: at(addr), team, text });
    assert_eq!(read("10.206.4.201:8080 blockchain hello"), line("10.206.4.201:8080", Some("blockchain"), "hello"));
    assert_eq!(read("127.0.0.1:1 t  two  words "), line("127.0.0.1:1", Some("t"), " two  words "));
    assert_eq!(read("127.0.0.1:65535 exit"), line("127.0.0.1:65535", None, "exit"));
    assert_eq!(read("127.0.0.1:1  hi"), line("127.0.0.1:1", Some(""), "hi"));
    assert_eq!(read("127.0.0.1:1 t "), line("127.0.0.1:1", Some("t"), ""));
    assert_eq!(read("[::1]:8080 t grüße"), line("[::1]:8080", Some("t"), "grüße"));
    let bracketed = Sender::Bracketed("127.0.0.5:8103".parse().unwrap());
    let miners = Line { sender: bracketed, team: Some("miners"), text: "hi" };
    assert_eq!(read("<127.0.0.5:8103> miners hi"), Ok(miners));
}

#[test]
fn what_has_no_sender() {
    for text in [
        "",
        "hi",
        "10.103.45.601:8080 P1 hi",
        "10.0.0.1 P1 hi",
        "10.0.0.1:0 P1 hi",
        "10.0.0.1:08080 P1 hi",
        "10.0.0.01:80 P1 hi",
        "10.0.0.1:65536 P1 hi",
        " 10.0.0.1:80 P1 hi",
        "[0:0::1]:80 P1 hi",
        "localhost:80 P1 hi",
    ] {
        assert_eq!(read(text), refused(0, F::Address), "{text}");
    }
    assert_eq!(read("<10.0.0.1:x> P1 hi"), refused(1, F::Address));
    assert_eq!(read("<10.0.0.1:80 P1 hi"), refused(12, F::Bracket));
    assert_eq!(read("10.0.0.1:80"), refused(11, F::NoText));
    assert_eq!(read("10.0.0.1:80> P1 hi"), refused(11, F::NoText));
    assert_eq!(read("<10.0.0.1:80>P1 hi"), refused(13, F::NoText));
    assert_eq!(read("10.0.0.1:80 P1 a\nb"), refused(16, F::Newline));
    assert_eq!(Line::parse(b"10.0.0.1:80 P1 a\xff"), refused(16, F::Utf8));
    assert_eq!(Line::parse(&[b' '; MAX_MESSAGE_LEN + 1]), refused(MAX_MESSAGE_LEN, F::Length));
}

#[test]
fn the_whole_message_is_the_word_that_leaves() {
    for text in ["127.0.0.1:1 t exit", "127.0.0.1:1 t EXIT", "127.0.0.1:1 exit", "<127.0.0.1:1> t quit"] {
        assert!(read(text).unwrap().is_exit(), "{text}");
    }
    for text in ["127.0.0.1:1 t exit now", "127.0.0.1:1 t no exit", "127.0.0.1:1 t quit", "127.0.0.1:1 exit t"] {
        assert!(!read(text).unwrap().is_exit(), "{text}");
    }
    assert!(is_greeting("CONNECT") && is_greeting(" handshake ") && !is_greeting("connected"));
}

#[test]
fn a_message_ends_at_a_newline_or_when_nothing_more_comes() {
    assert_eq!(message_len(b"a b c", false), Ok(None));
    assert_eq!(message_len(b"a b c", true), Ok(Some(5)));
    assert_eq!(message_len(b"", true), Ok(None));
    assert_eq!(message_len(b"a\nb", false), Ok(Some(2)));
    assert_eq!(message_len(&[b'a'; MAX_MESSAGE_LEN], false), Ok(None));
    assert_eq!(message_len(&[b'a'; MAX_MESSAGE_LEN + 1], false), refused(MAX_MESSAGE_LEN, F::Length));
    assert_eq!(trim(b" \t\0hi \0 there\r\n\0\0"), b"hi \0 there");
    assert_eq!(trim(b" \0\n"), b"");
}

#[test]
fn a_bare_port() {
    assert_eq!(bare_port(b"8080"), Some(8080));
    assert_eq!(bare_port(b"65535"), Some(65_535));
    for none in ["", "0", "080", "65536", "100000", "8080 hi", "-1", "x"] {
        assert_eq!(bare_port(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn what_would_read_differently_is_not_made() {
    let good = Line { sender: at("127.0.0.1:1"), team: Some("t"), text: "a" };
    let long = "c".repeat(MAX_MESSAGE_LEN);
    let mut out = vec![7];
    for (line, reason) in [
        (Line { sender: at("127.0.0.1:0"), ..good }, F::Address),
        (Line { team: Some("a b"), ..good }, F::Team),
        (Line { team: Some("a\n"), ..good }, F::Team),
        (Line { team: None, text: "a b", ..good }, F::Team),
        (Line { text: "a\nb", ..good }, F::Newline),
        (Line { text: &long, ..good }, F::Length),
    ] {
        assert_eq!(line.encode(&mut out), Err(PeerLineEncodeError(reason)));
    }
    assert_eq!(out, [7], "the output is as before");
    good.encode(&mut out).unwrap();
    assert_eq!(&out[1..], b"127.0.0.1:1 t a");
    assert_eq!(PeerLineError { offset: 8, reason: F::NoText }.to_string(), "at byte 8: there is no text");
}

#[test]
fn who_is_online() {
    assert!(is_question(b"Who is online?") && is_question(b"Who is online?\r\n\0\0") && !is_question(b"who is online"));
    let all: Vec<SocketAddr> =
        ["127.0.0.1:1", "10.0.0.1:8080", "[::1]:9"].iter().map(|addr| addr.parse().unwrap()).collect();
    let mut out = Vec::new();
    assert_eq!(Online::encode(all.iter().copied(), 500, &mut out), Ok(3));
    assert_eq!(out, b"127.0.0.1:1\n10.0.0.1:8080\n[::1]:9");
    assert!(Online::parse(&out).unwrap().addresses().eq(all.iter().copied()));
    for (most, count) in [(0, 0), (10, 0), (11, 1), (24, 1), (25, 2), (33, 3), (usize::MAX, 3)] {
        out.clear();
        assert_eq!(Online::encode(all.iter().copied(), most, &mut out), Ok(count), "{most}");
        assert!(out.len() <= most);
    }
    assert_eq!(Online::parse(b"").unwrap().addresses().count(), 0);
    assert_eq!(Online::parse(b"127.0.0.1:1\n"), refused(11, F::Trailing));
    assert_eq!(Online::parse(b"127.0.0.1:1 a"), refused(11, F::Trailing));
    assert_eq!(Online::parse(b"127.0.0.1:1\nx"), refused(12, F::Address));
    assert_eq!(Online::parse(&[b'1'; MAX_ANSWER_LEN + 1]), refused(MAX_ANSWER_LEN, F::Length));
    let bad = ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    out = vec![7];
    assert_eq!(Online::encode(bad.into_iter(), 500, &mut out), Err(PeerLineEncodeError(F::Address)));
    assert_eq!(out, [7]);
}
