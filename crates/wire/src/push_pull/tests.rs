//! What clients in use send, and each way to get it wrong.

use super::PushPullFault as F;
use super::*;

fn push<'a>(destination: &'a str, contents: &'a str) -> Result<Request<'a>, PushPullError> {
    Ok(Request::Push { destination, contents })
}

fn refused<T>(offset: usize, reason: F) -> Result<T, PushPullError> {
    Err(PushPullError { offset, reason })
}

#[test]
fn requests_of_clients_in_use() {
    assert_eq!(Request::parse(b"PULL"), Ok(Request::Pull));
    assert_eq!(Request::parse(b"PULL\r\n"), Ok(Request::Pull));
    assert_eq!(Request::parse(b"PUSH IP:127.0.0.5 MSG:hello there"), push("127.0.0.5", "hello there"));
    assert_eq!(Request::parse(b"PUSH IP:127.0.0.5:43110 MSG:a\n"), push("127.0.0.5:43110", "a"));
    assert_eq!(Request::parse("PUSH IP:anna MSG:grüße MSG: again".as_bytes()), push("anna", "grüße MSG: again"));
    assert_eq!(Request::parse(b"PUSH IP:anna MSG:"), push("anna", ""));
    assert_eq!(Request::parse(b"PUSH IP:anna MSG:x\r"), push("anna", "x\r"));
}

#[test]
fn requests_that_fail() {
    assert_eq!(Request::parse(b""), refused(0, F::Verb));
    assert_eq!(Request::parse(b"push IP:a MSG:b"), refused(0, F::Verb));
    assert_eq!(Request::parse(b"GET / HTTP/1.1\r\n"), refused(0, F::Verb));
    assert_eq!(Request::parse(b"PULLED"), refused(4, F::Trailing));
    assert_eq!(Request::parse(b"PULL\n\n"), refused(4, F::Trailing));
    assert_eq!(Request::parse(b"PUSH IP:a"), refused(8, F::NoContents));
    assert_eq!(Request::parse(b"PUSH IP: MSG:b"), refused(8, F::Address));
    assert_eq!(Request::parse(b"PUSH IP:a\tb MSG:c"), refused(8, F::Address));
    assert_eq!(Request::parse(&[&b"PUSH IP:"[..], &[b'a'; 256], b" MSG:c"].concat()), refused(8, F::Address));
    assert_eq!(Request::parse(b"PUSH IP:a\xff MSG:c"), refused(9, F::Utf8));
    assert_eq!(Request::parse(b"PUSH IP:a MSG:c\xff"), refused(15, F::Utf8));
    assert_eq!(Request::parse(b"PUSH IP:a MSG:b\nc"), refused(15, F::Newline));
    assert_eq!(Request::parse(&[&b"PUSH IP:a MSG:"[..], &[b'c'; 32_769]].concat()), refused(14, F::ContentsLength));
    assert_eq!(Request::parse(&[b'a'; MAX_REQUEST_LEN + 1]), refused(MAX_REQUEST_LEN, F::RequestLength));
}

#[test]
fn a_request_ends_at_a_newline_or_when_nothing_more_comes() {
    assert_eq!(request_len(b"PULL", false), Ok(None));
    assert_eq!(request_len(b"PULL", true), Ok(Some(4)));
    assert_eq!(request_len(b"", true), Ok(None));
    assert_eq!(request_len(b"PULL\nPUSH", false), Ok(Some(5)));
    let long = vec![b'a'; MAX_REQUEST_LEN + 1];
    assert_eq!(request_len(&long[1..], false), Ok(None));
    assert_eq!(request_len(&long, false), refused(MAX_REQUEST_LEN, F::RequestLength));
    assert_eq!(request_len(&[&long[..], b"\n"].concat(), false), refused(MAX_REQUEST_LEN, F::RequestLength));
}

#[test]
fn the_longest_request_is_taken() {
    let (destination, contents) = ("d".repeat(MAX_ADDRESS_LEN), "c".repeat(MAX_CONTENTS_LEN));
    let mut bytes = Vec::new();
    Request::Push { destination: &destination, contents: &contents }.encode(&mut bytes).unwrap();
    bytes.extend_from_slice(b"\r\n");
    assert_eq!(bytes.len(), MAX_REQUEST_LEN);
    assert_eq!(request_len(&bytes, false), Ok(Some(MAX_REQUEST_LEN)));
    assert_eq!(Request::parse(&bytes), push(&destination, &contents));
}

#[test]
fn replies() {
    assert_eq!(Reply::parse(b"SUCCESS"), Ok(Reply::Success));
    assert_eq!(Reply::parse(b"SUCCESS 0"), Ok(Reply::Count(0)));
    assert_eq!(Reply::parse(b"SUCCESS 4294967295"), Ok(Reply::Count(u32::MAX)));
    assert_eq!(Reply::parse(b"FAIL"), Ok(Reply::Fail));
    assert_eq!(Reply::parse(b"OK"), refused(0, F::Reply));
    assert_eq!(Reply::parse(b"FAILED"), refused(4, F::Trailing));
    assert_eq!(Reply::parse(b"SUCCESSFUL"), refused(7, F::Trailing));
    for number in ["", "01", "+1", "4294967296", "x"] {
        assert_eq!(Reply::parse(format!("SUCCESS {number}").as_bytes()), refused(8, F::Number), "{number}");
    }
    assert_eq!(Reply::parse(b"SUCCESS 1 "), refused(9, F::Trailing));
}

#[test]
fn items() {
    let item = |source, contents| Ok(Item { source, contents });
    assert_eq!(Item::parse(b"IP: 127.0.0.5 MSG:a\nb MSG:c"), item("127.0.0.5", "a\nb MSG:c"));
    assert_eq!(Item::parse(b"IP:a MSG:b"), refused(0, F::Verb));
    assert_eq!(Item::parse(b"IP: a"), refused(4, F::NoContents));
    assert_eq!(Item::parse(&[b'a'; MAX_ITEM_LEN + 1]), refused(MAX_ITEM_LEN, F::ItemLength));
    let longest = "c".repeat(MAX_ITEM_LEN - 10);
    let mut out = Vec::new();
    Item { source: "a", contents: &longest }.encode(&mut out).unwrap();
    assert_eq!((out.len(), Item::parse(&out)), (MAX_ITEM_LEN, item("a", longest.as_str())));
}

#[test]
fn what_would_read_differently_is_not_made() {
    let mut out = vec![7];
    let long = "c".repeat(MAX_CONTENTS_LEN + 1);
    for (destination, contents, reason) in [
        ("", "a", F::Address),
        ("a MSG:b", "a", F::Address),
        ("a\n", "a", F::Address),
        ("a", "b\nc", F::Newline),
        ("a", long.as_str(), F::ContentsLength),
    ] {
        assert_eq!(Request::Push { destination, contents }.encode(&mut out), Err(PushPullEncodeError(reason)));
    }
    let item = Item { source: "a", contents: &long[..MAX_ITEM_LEN - 9] };
    assert_eq!(item.encode(&mut out), Err(PushPullEncodeError(F::ItemLength)));
    assert_eq!(Item { source: "", contents: "" }.encode(&mut out), Err(PushPullEncodeError(F::Address)));
    assert_eq!(out, [7], "the output is as before");
    assert_eq!(PushPullError { offset: 8, reason: F::NoContents }.to_string(), "at byte 8: ` MSG:` is missing");
}
