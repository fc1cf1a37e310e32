//! Target `builder`: any run of pushes gives a bundle that reads back as what was taken (P-B1 to P-B5).

use arbitrary::{Arbitrary, Unstructured};

use super::{Finding, claim};
use crate::native::{
    BundleBuilder, BundleView, MAX_BODY_LEN, MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES, MessageKind, PushError,
    validate_message,
};
use crate::{Clock, Digest, NodeId, Origin, Seq, Signature};

/// Pushes of one input.
const MAX_PUSHES: usize = 600;

#[derive(Debug, PartialEq, Eq)]
struct Message {
    clock: u64,
    kind: u8,
    room: String,
    body: Vec<u8>,
}

impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let clock = if u.ratio(1, 8)? { u.arbitrary()? } else { u64::from(u.arbitrary::<u8>()?) };
        let kind = if u.ratio(1, 8)? { u.arbitrary()? } else { u.int_in_range(1..=4)? };
        let room = "r".repeat(u.int_in_range(0..=70)?);
        let len =
            if u.ratio(1, 8)? { u.int_in_range(0..=MAX_BODY_LEN.saturating_add(8))? } else { u.int_in_range(0..=40)? };
        Ok(Self { clock, kind, room, body: vec![u.arbitrary()?; len] })
    }
}

/// The body: a builder beside a plain list of what it took.
///
/// # Errors
/// What does not hold.
pub fn builder(bytes: &[u8]) -> Result<(), Finding> {
    let mut input = Unstructured::new(bytes);
    let first = if input.ratio(1, 2).unwrap_or(true) { 1 } else { input.arbitrary().unwrap_or(1) };
    let origin = Origin { node: NodeId([7; 32]), incarnation: crate::Incarnation(1) };
    let previous = if first == 1 { Digest::ZERO } else { Digest([9; 32]) };
    let mut builder = BundleBuilder::new(origin, Seq(first), previous);
    let mut taken: Vec<Message> = Vec::new();
    for _ in 0..MAX_PUSHES {
        if input.is_empty() {
            break;
        }
        let Ok(mut message) = Message::arbitrary(&mut input) else { break };
        message.clock = taken.last().map_or(0, |last| last.clock).wrapping_add(message.clock);
        if push(&mut builder, &message, first, taken.last().map(|last| last.clock))? {
            taken.push(message);
        }
    }
    let (len, count) = (builder.encoded_len(), builder.len());
    claim(count == taken.len(), || format!("{count} messages, {} taken", taken.len()))?;
    let messages = builder.message_bytes().to_vec();
    let sealed = builder.seal(Signature([3; 64]));
    claim(sealed.ends_with(&messages), || "not the messages that were to be signed".to_owned())?;
    claim(sealed.len() == len, || format!("{} bytes, {len} announced", sealed.len()))?;
    if taken.is_empty() {
        return claim(BundleView::parse(&sealed).is_err(), || "an empty bundle is read".to_owned());
    }
    let view = BundleView::parse(&sealed).map_err(|e| Finding(format!("a built bundle is refused: {e}")))?;
    let read = view.messages().map(|m| Message {
        clock: m.clock.0,
        kind: m.kind.0,
        room: m.room.to_owned(),
        body: m.body.to_vec(),
    });
    claim(read.eq(taken), || "not what was pushed".to_owned())
}

/// Pushes one message; on refusal nothing changes and the reason holds.
fn push(builder: &mut BundleBuilder, message: &Message, first: u64, last: Option<u64>) -> Result<bool, Finding> {
    let kind = MessageKind(message.kind);
    let before = (builder.len(), builder.encoded_len(), builder.header(), builder.last_clock());
    let result = builder.push(Clock(message.clock), kind, &message.room, &message.body);
    if result.is_ok() {
        claim(builder.last_clock() == Some(Clock(message.clock)), || "not the last clock".to_owned())?;
        return Ok(true);
    }
    let after = (builder.len(), builder.encoded_len(), builder.header(), builder.last_clock());
    claim(before == after, || format!("refused, but {before:?} became {after:?}"))?;
    let valid = validate_message(kind, &message.room, &message.body);
    let reason_holds = match result {
        Ok(()) => true,
        Err(PushError::Invalid(why)) => valid == Err(why),
        Err(PushError::ClockNotRising) => last.is_some_and(|last| message.clock <= last),
        Err(PushError::Start(_)) => before.0 == 0 && (first == 0 || first == u64::MAX),
        Err(PushError::Full) => {
            let most =
                before.1.saturating_add(message.body.len()).saturating_add(message.room.len()).saturating_add(15);
            let numbers_end = before.2.next().0 == u64::MAX;
            before.0 == MAX_BUNDLE_MESSAGES || most > MAX_BUNDLE_LEN || numbers_end
        }
    };
    claim(reason_holds, || format!("refused for no reason: {result:?}"))?;
    Ok(false)
}
