//! What any body gives: a value that comes back from its own frame, or a reason. For the fuzz target `protobuf_peer`, whose
//! corpus is replayed here.

use rumormill_wire::protobuf_peer::{PeerEncodeError, body, check_body};

use super::message::{ProtocolMessage, Unreadable};

/// The body of the target.
///
/// # Errors
/// What does not hold.
pub fn bodies(bytes: &[u8]) -> Result<(), String> {
    // A seed begins with two bytes for the stream, or with a body.
    for bytes in [bytes, bytes.get(6..).unwrap_or_default()] {
        one(bytes)?;
    }
    Ok(())
}

fn one(bytes: &[u8]) -> Result<(), String> {
    let said = match ProtocolMessage::decode(bytes) {
        Ok(said) => said,
        Err(Unreadable::Read(why)) => return Err(format!("{bytes:02x?} has the form and does not read: {why}")),
        Err(_) => return Ok(()),
    };
    let frame = match said.clone().frame() {
        Ok(frame) => frame,
        // More is read than is sent.
        Err(PeerEncodeError(len)) if len > 0 => return Ok(()),
        Err(why) => return Err(format!("{said:?}: {why}")),
    };
    let again = body(&frame).map_err(|why| format!("{said:?}: its own frame: {why}"))?;
    check_body(again).map_err(|why| format!("{said:?}: its own body: {why}"))?;
    match ProtocolMessage::decode(again) {
        Ok(back) if back == said => Ok(()),
        other => Err(format!("{said:?} came back as {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replay() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let mut files = 0;
        for kind in ["seeds", "corpus"] {
            for file in std::fs::read_dir(fuzz.join(kind).join("protobuf_peer")).unwrap() {
                bodies(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
                files += 1;
            }
        }
        assert!(files > 8, "{files}");
    }

    proptest! {
        #[test]
        fn what_has_the_form_reads(
            parts in prop::collection::vec(prop::sample::select(vec![
                &b"\x08\x01"[..], b"\x08\x02", b"\x08\x03", b"\x12\x02\x08\x01", b"\x1a\x04\x12\x02\x08\x01", b"\x1a\x02",
                b"\x1a\x04\x08\x01\x1a\x00", b"\x22\x02\x08\x0c", b"\x2a\x02\x10\x01", b"\x30\x01", b"\x4a\x01a", b"\xff",
                b"\x45abcd", b"\x00", b"\x12\x03\x1a\x01a", b"\xff\xff\xff\xff\x0f\x01", b"\x39abcdefgh", b"\x33\x34",
            ]), 0..8),
        ) {
            bodies(&parts.concat()).unwrap();
        }

        #[test]
        fn what_is_said_comes_back(from: i64, to: i64, text: String) {
            let frame = ProtocolMessage::Text { from, to, text: text.clone() }.frame().unwrap();
            prop_assert_eq!(ProtocolMessage::decode(&frame[4..]), Ok(ProtocolMessage::Text { from, to, text }));
            prop_assert_eq!(bodies(&frame[4..]), Ok(()));
        }
    }
}
