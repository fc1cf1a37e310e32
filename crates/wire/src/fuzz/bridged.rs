//! The body of what came through a door under test.

use super::{Codec, Finding, canonical, claim};
use crate::native::{Bridged, MAX_CLAIMED_LEN, MAX_DOOR_LEN};

/// Bodies of bridged messages.
#[derive(Debug)]
pub struct Bodies;

impl Codec for Bodies {
    type Value<'a> = Bridged<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Bridged<'a>, usize> {
        let text = core::str::from_utf8(bytes).map_err(|why| why.valid_up_to())?;
        // A body of another form has no place that is wrong: it is shown as it is.
        Bridged::parse(text).ok_or(0)
    }

    fn encode(&self, bridged: &Bridged<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut text = String::new();
        if !bridged.encode(&mut text) {
            return Err("a field does not fit".to_owned());
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// One form; the fields are within their bounds and hold no control characters.
///
/// # Errors
/// What does not hold.
pub fn bridged(data: &[u8]) -> Result<(), Finding> {
    if canonical(&Bodies, data)?
        && let Ok(Bridged { door, claimed, .. }) = Bodies.parse(data)
    {
        let fits = (1..=MAX_DOOR_LEN).contains(&door.len()) && claimed.len() <= MAX_CLAIMED_LEN;
        claim(fits && !door.chars().chain(claimed.chars()).any(char::is_control), || format!("{door:?} {claimed:?}"))?;
        let bad = format!("{door}\n{claimed}\t\n");
        claim(Bridged::parse(&bad).is_none(), || "a tab in a name".to_owned())?;
    }
    Ok(())
}
