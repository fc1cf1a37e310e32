//! Dictionaries of the fuzz targets, made from the constants of the formats. `fuzz/dict` holds them as files; a test
//! sees that they are up to date.

use core::fmt::Write as _;

use crate::classroom;
use crate::native::{self, kind};
use crate::peer_line as menu;
use crate::protobuf_peer as peer;
use crate::push_pull::{self as plain, relay as frames};
use crate::udp_mesh::{self as udp, extended};

/// One target's dictionary as libFuzzer reads it.
#[must_use]
pub fn file(tokens: &[(&'static str, Vec<u8>)]) -> String {
    let mut out = String::from("# Made by `cargo run -p rumormill-wire --features fuzz --example make_seeds`.\n");
    for (name, bytes) in tokens {
        let escaped: String = bytes.iter().fold(String::new(), |mut text, b| {
            let plain = b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
            let done =
                if plain || *b == b' ' { write!(text, "{}", char::from(*b)) } else { write!(text, "\\x{b:02x}") };
            debug_assert!(done.is_ok(), "a String takes all");
            text
        });
        out.push_str(&format!("{name}=\"{escaped}\"\n"));
    }
    out
}

fn be<const N: usize>(name: &'static str, bytes: [u8; N]) -> (&'static str, Vec<u8>) {
    (name, bytes.to_vec())
}

fn limit(name: &'static str, value: usize) -> (&'static str, Vec<u8>) {
    be(name, u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes())
}

/// Words of the native protocol.
#[must_use]
pub fn native() -> Vec<(&'static str, Vec<u8>)> {
    let kinds = [
        ("hello", kind::HELLO),
        ("ping", kind::PING),
        ("pong", kind::PONG),
        ("bye", kind::BYE),
        ("member", kind::MEMBER),
        ("rumor", kind::RUMOR),
        ("status", kind::STATUS),
        ("buckets", kind::BUCKETS),
        ("revisions", kind::REVISIONS),
        ("range", kind::RANGE),
        ("proof", kind::PROOF),
        ("revoked", kind::REVOKED),
        ("skipped", kind::SKIPPED),
    ];
    let varint_max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let mut tokens: Vec<_> = kinds.into_iter().map(|(name, kind)| be(name, [kind])).collect();
    tokens.extend([
        ("version", native::VERSION.to_be_bytes().to_vec()),
        ("max_frame", u32::try_from(native::MAX_FRAME_LEN).unwrap_or(u32::MAX).to_be_bytes().to_vec()),
        limit("max_messages", native::MAX_BUNDLE_MESSAGES),
        limit("max_entries", native::MAX_STATUS_ENTRIES),
        limit("max_cut", native::MAX_CUT_INCARNATIONS),
        be("first", 1u64.to_be_bytes()),
        be("last", u64::MAX.to_be_bytes()),
        be("zero_id", [0; 32]),
        be("highest_id", [0xff; 32]),
        be("varint_two_bytes", [0x80, 0x01]),
        be("varint_not_shortest", [0x80, 0x00]),
        be("varint_body", [0x80, 0x80, 0x02]),
        be("varint_max", varint_max),
        be("not_utf8", [0xc3, 0x28]),
    ]);
    tokens
}

fn words(list: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    list.iter().map(|(name, word)| (*name, word.as_bytes().to_vec())).collect()
}

/// Words of what came through doors.
#[must_use]
pub fn bridged() -> Vec<(&'static str, Vec<u8>)> {
    words(&[("udp", "udp-mesh\n"), ("line", "peer-line\n"), ("relay", "relay-43110#2\n"), ("end", "\n"), ("tab", "\t")])
}

/// Words of letters and of the keys that they are sealed to (P-L2, P-L3).
#[must_use]
pub fn letter() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        be("key", [native::LETTER_VERSION, 0, 1]),
        be("letter", [native::LETTER_VERSION, 1, 2, 3, 4, 5, 6, 7, 8, 32]),
        be("another_version", [2]),
        be("longest_enc", [0xff]),
        be("key_bytes", [7; 32]),
    ]
}

/// Words of PUSH and PULL.
#[must_use]
pub fn push_pull() -> Vec<(&'static str, Vec<u8>)> {
    words(&[
        ("push", plain::PUSH),
        ("pull", plain::PULL),
        ("item", plain::ITEM),
        ("message", plain::MESSAGE),
        ("success", plain::SUCCESS),
        ("fail", plain::FAIL),
        ("count", "SUCCESS 4294967295"),
        ("count_too_high", "SUCCESS 4294967296"),
        ("line", "\n"),
        ("line_cr", "\r\n"),
    ])
}

/// Words of the menu chat.
#[must_use]
pub fn peer_line() -> Vec<(&'static str, Vec<u8>)> {
    words(&[
        ("plain", "127.0.0.1:8080 "),
        ("bracketed", "<127.0.0.5:8103> "),
        ("v6", "[::1]:1 "),
        ("mapped", "[::ffff:127.0.0.1]:1"),
        ("scope", "[fe80::1%2]:1"),
        ("port_zero", ":0"),
        ("port_highest", ":65535"),
        ("port_too_high", ":65536"),
        ("next", "\n127.0.0.1:1"),
        ("exit", menu::EXIT),
        ("quit", menu::QUIT),
        ("connect", menu::CONNECT),
        ("who", menu::WHO_IS_ONLINE),
        ("line", "\n"),
        ("line_cr", "\r\n"),
    ])
}

/// Words of the menu chat over the mesh.
#[must_use]
pub fn menu_mesh() -> Vec<(&'static str, Vec<u8>)> {
    words(&[
        ("everybody", menu::mesh::EVERYBODY),
        ("online", menu::mesh::ONLINE),
        ("exit", menu::EXIT),
        ("connect", menu::CONNECT),
        ("address", "127.0.0.1:8080 "),
        ("v6", "[::1]:1 "),
        ("mapped", "[::ffff:127.0.0.1]:1 "),
        ("scope", "[fe80::1%2]:1 "),
        ("unspecified", "0.0.0.0:1 "),
        ("port_zero", ":0 "),
        ("port_highest", ":65535 "),
        ("line", "\n"),
        ("escape", "\u{1b}"),
        ("c1_control", "\u{9b}"),
    ])
}

/// Words of the plain frames.
#[must_use]
pub fn relay() -> Vec<(&'static str, Vec<u8>)> {
    words(&[
        ("greeting", frames::GREETING),
        ("text", frames::MESSAGE_CODE),
        ("reserved", "FFFE"),
        ("bar", "|"),
        ("least", "5|"),
        ("most", "32773|"),
        ("too_high", "32774|"),
        ("frame", "8|0002|one"),
    ])
}

/// Words of the protobuf peer.
#[must_use]
pub fn protobuf_peer() -> Vec<(&'static str, Vec<u8>)> {
    let length = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    vec![
        be("longest", length(peer::MAX_BODY_LEN)),
        be("too_long", length(peer::MAX_BODY_LEN.saturating_add(1))),
        be("of_six", length(6)),
        be("type_message", [0x08, 1]),
        be("type_announcement", [0x08, 2]),
        be("type_start", [0x08, 3]),
        be("type_response", [0x08, 4]),
        be("message", [0x12, 0x07, 0x08, 1, 0x10, 2, 0x1a, 1, b'a']),
        be("announcement", [0x1a]),
        be("start", [0x22, 0x02, 0x08, 1]),
        be("response", [0x2a, 0x02, 0x08, 1]),
        be("refused", [0x2a, 0x02, 0x10, 1]),
        be("join", [0x12, 0x04, 0x08, 1, 0x10, 2]),
        be("leave", [0x1a, 0x02, 0x08, 1]),
        be("unknown_number", [0x30, 1]),
        be("unknown_eight", [0x39]),
        be("unknown_bytes", [0x4a, 1]),
        be("unknown_four", [0x45]),
        be("group", [0x33, 0x34]),
        be("highest_id", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        be("negative_id", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        be("not_utf8", [0xc3, 0x28]),
    ]
}

/// Words of the classroom proxy interface.
#[must_use]
pub fn classroom() -> Vec<(&'static str, Vec<u8>)> {
    words(&[
        ("start", classroom::START),
        ("msg", classroom::MSG),
        ("get", classroom::GET_CHAT_LOG),
        ("crash", classroom::CRASH),
        ("exit", classroom::EXIT),
        ("reply", classroom::CHAT_LOG),
        ("id", "0 "),
        ("place", " 4 10004"),
        ("highest_id", "4294967295 "),
        ("negative", "-7 "),
        ("comma", ","),
        ("line", "\n"),
        ("line_cr", "\r\n"),
    ])
}

/// Words of the UDP mesh.
#[must_use]
pub fn udp_mesh() -> Vec<(&'static str, Vec<u8>)> {
    let le = |name: &'static str, word: u16| be(name, word.to_le_bytes());
    vec![
        le("birth", udp::BIRTH),
        le("directory", udp::DIRECTORY),
        le("vanilla", udp::VANILLA),
        le("keepalive", udp::KEEPALIVE),
        le("extended_birth", extended::BIRTH),
        le("part", extended::PART),
        le("text", extended::TEXT),
        le("extended_keepalive", extended::KEEPALIVE),
        le("leave", extended::LEAVE),
        le("refused", extended::REFUSED),
        le("changes", extended::CHANGES),
        le("name", u16::from(b'A')),
        le("last_name", u16::from(b'~')),
        le("no_name", u16::from(b'A') | 0x100),
        le("port_zero", 0),
        le("port", 3_001),
        le("one", 1),
        be("entry", *b"A\0\xb9\x0b"),
        be("v4", [4, 127, 0, 0, 1, 0xb9, 0x0b]),
        be("v6", [6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xb9, 0x0b]),
        be("mapped", [6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 1, 0]),
        be("not_utf8", [0xc3, 0x28]),
    ]
}
