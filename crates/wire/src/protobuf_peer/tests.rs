//! What the older program sends, and each way to get a frame or a body wrong.

use super::PeerFault as F;
use super::*;

fn refused<T>(offset: usize, reason: F) -> Result<T, PeerError> {
    Err(PeerError { offset, reason })
}

/// `via A`, from 12 to 11.
const VIA: &[u8] = b"\x08\x01\x12\x0b\x08\x0c\x10\x0b\x1a\x05via A";

#[test]
fn frames_in_use() {
    let bodies: [&[u8]; 6] = [
        b"\x08\x03\x22\x02\x08\x0c",
        b"\x08\x04\x2a\x02\x08\x0a",
        b"\x08\x04\x2a\x02\x10\x01",
        b"\x08\x02\x1a\x06\x12\x04\x08\x0b\x10\x0a",
        VIA,
        b"\x08\x02\x1a\x06\x08\x01\x1a\x02\x08\x63",
    ];
    for bytes in bodies {
        let mut frame = vec![];
        put_frame(bytes, &mut frame).unwrap();
        assert_eq!(frame_len(&frame), Ok(Some(bytes.len() + LENGTH_LEN)));
        assert_eq!(body(&frame), Ok(bytes));
        assert_eq!(check_body(bytes), Ok(()));
    }
}

#[test]
fn a_length_is_judged_as_soon_as_it_is_there() {
    assert_eq!(frame_len(&[0, 0, 0]), Ok(None));
    let most = u32::try_from(MAX_BODY_LEN).unwrap();
    assert_eq!(frame_len(&most.to_be_bytes()), Ok(Some(MAX_BODY_LEN + LENGTH_LEN)));
    let high = (most + 1).to_be_bytes();
    for wrong in [[0; 4], [0xff; 4], high, 200_000u32.to_be_bytes(), *b"GET ", *b"POST", *b"HEAD", *b"PRI "] {
        assert_eq!(frame_len(&wrong), refused(0, F::Length), "{wrong:?}");
    }
    assert_eq!(body(b"\0\0\0\x02a"), refused(4, F::Truncated));
    assert_eq!(body(b"\0\0\0\x02abc"), refused(6, F::Trailing));
    assert_eq!(body(b"\0\0"), refused(0, F::Truncated));
}

#[test]
fn what_proto3_takes_is_taken() {
    for bytes in [
        &b""[..],
        b"\x1a\x00\x08\x02",
        b"\x08\x83\x80\x00\x22\x02\x08\x0c",
        b"\x22\x02\x08\x0c\x22\x02\x08\x0d",
        b"\x08\x03\x22\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x30\x07\x39abcdefgh\x45abcd\x4a\x02\xff\xff\xf8\xff\xff\xff\x0f\x00",
    ] {
        assert_eq!(check_body(bytes), Ok(()), "{}", bytes.escape_ascii());
    }
}

#[test]
fn bodies_that_are_none() {
    for (bytes, offset, reason) in [
        (&b"\x08"[..], 1, F::Truncated),
        (b"\x08\x80", 2, F::Truncated),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 1, F::Varint),
        (b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 1, F::Varint),
        (b"\x08\x01\x00\x01", 2, F::Key),
        (b"\x80\x80\x80\x80\x10\x01", 0, F::Key),
        (b"\x33\x34", 0, F::Key),
        (b"\x36", 0, F::Key),
        (b"\x0a\x01a", 0, F::Type),
        (b"\x10\x01", 0, F::Type),
        (b"\x12\x02\x18\x01", 2, F::Type),
        (b"\x39abcdefg", 1, F::Truncated),
        (b"\x45abc", 1, F::Truncated),
        (b"\x12\x02\x08", 2, F::Truncated),
        (b"\x12\x05\x08\x01\x1a\x02a\x08\x01", 6, F::Truncated),
        (b"\x08\x02\x1a\x04\x12\x02\x08\x80\x08\x01", 8, F::Truncated),
        (b"\x12\x04\x1a\x02a\xff\x08\x01", 5, F::Utf8),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, F::Truncated),
    ] {
        assert_eq!(check_body(bytes), refused(offset, reason), "{}", bytes.escape_ascii());
    }
    assert_eq!(check_body(&vec![0; MAX_BODY_LEN + 1]), refused(MAX_BODY_LEN, F::Length));
    assert_eq!(PeerError { offset: 3, reason: F::Key }.to_string(), "at byte 3: not the key of a field");
}

#[test]
fn no_frame_is_made_that_the_older_program_cannot_take() {
    let mut out = vec![7];
    for len in [0, MAX_SENT_LEN + 1] {
        assert_eq!(put_frame(&vec![b'x'; len], &mut out), Err(PeerEncodeError(len)));
    }
    assert_eq!(out, [7], "the output is as before");
    assert!(put_frame(&[b'x'; MAX_SENT_LEN], &mut out).is_ok());
}
