//! The frames of the protobuf peer under test. What a body says is tested where it is read, by the same target.

use super::{Codec, Finding, Stream, canonical, claim, native::stream_with};
use crate::protobuf_peer::{LENGTH_LEN, MAX_SENT_LEN, body, check_body, frame_len, put_frame};

/// Bodies that have their form, as bytes; without the length as a whole input, and after it in a stream.
#[derive(Debug)]
pub struct Bodies;

impl Codec for Bodies {
    type Value<'a> = &'a [u8];

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], usize> {
        check_body(bytes).map(|()| bytes).map_err(|e| e.offset)
    }

    fn encode(&self, body: &&[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(body);
        Ok(())
    }
}

impl Stream for Bodies {
    fn cut(&self, bytes: &[u8], _: bool) -> Result<Option<usize>, usize> {
        frame_len(bytes).map_err(|e| e.offset)
    }

    fn prefix_len(&self) -> usize {
        LENGTH_LEN
    }
}

/// Target `protobuf_peer`: two bytes that draw the sizes of the pieces, then a stream of frames; and a body.
///
/// # Errors
/// What does not hold.
pub fn frames(bytes: &[u8]) -> Result<(), Finding> {
    frames_with(&Bodies, bytes)
}

/// The body of `protobuf_peer` over any codec of its bodies.
///
/// # Errors
/// What does not hold.
pub fn frames_with<C: Stream + for<'a> Codec<Value<'a> = &'a [u8]>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    stream_with(codec, bytes)?;
    canonical(codec, bytes)?;
    let mut frame = Vec::new();
    let made = put_frame(bytes, &mut frame);
    claim(made.is_ok() == (1..=MAX_SENT_LEN).contains(&bytes.len()), || format!("{made:?}"))?;
    if made.is_err() {
        return Ok(());
    }
    claim(frame_len(&frame) == Ok(Some(frame.len())), || format!("{:?} of {}", frame_len(&frame), frame.len()))?;
    claim(body(&frame) == Ok(bytes), || "the body is not what was framed".to_owned())?;
    // Fields stand one after the other: what follows one message is judged as by itself.
    if let Ok(first) = codec.parse(bytes) {
        let twice = [first, first].concat();
        claim(codec.parse(&twice).is_ok(), || "a body and itself is none".to_owned())?;
    }
    Ok(())
}
