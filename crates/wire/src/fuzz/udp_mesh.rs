//! The datagrams of the UDP mesh under test.

use super::{Codec, Finding, canonical, claim};
use crate::udp_mesh::{Datagram, MAX_NAME_CHARS, NameChar, encode_directory, extended::Extended};

/// Datagrams of both forms.
#[derive(Debug)]
pub struct Datagrams;

impl Codec for Datagrams {
    type Value<'a> = Datagram<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Datagram<'a>, usize> {
        Datagram::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, datagram: &Datagram<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        datagram.encode(out).map_err(|e| e.to_string())
    }
}

/// Target `udp_mesh`.
///
/// # Errors
/// What does not hold.
pub fn udp_mesh(bytes: &[u8]) -> Result<(), Finding> {
    datagram_with(&Datagrams, bytes)
}

/// The body over any codec of datagrams.
///
/// # Errors
/// What does not hold.
pub fn datagram_with<C: for<'a> Codec<Value<'a> = Datagram<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, bytes)?;
    // A datagram ends where it says: no beginning of one is another.
    if codec.parse(bytes).is_ok() {
        for len in 0..bytes.len() {
            let part = bytes.get(..len).unwrap_or_default();
            claim(codec.parse(part).is_err(), || format!("{len} of {} bytes are taken", bytes.len()))?;
        }
    }
    match codec.parse(bytes) {
        Ok(Datagram::Directory(entries)) => {
            let (mut names, mut count) = (0u128, 0usize);
            for (name, port) in entries.iter() {
                let bit = 1u128.checked_shl(u32::from(name.get())).unwrap_or_default();
                claim(port != 0 && names & bit == 0, || "an old peer does not survive this directory".to_owned())?;
                (names, count) = (names | bit, count.saturating_add(1));
            }
            let all = entries.iter().all(|(name, _)| NameChar::all().any(|character| character == name));
            claim(all && count <= MAX_NAME_CHARS, || format!("{count} names"))?;
            // Said twice it is no directory, and nothing of it is written.
            let (twice, mut out) = (entries.iter().chain(entries.iter()), vec![0xa5]);
            let refused = count == 0 || encode_directory(twice, &mut out).is_err() && out == [0xa5];
            claim(refused, || "a directory with one name twice is made".to_owned())
        }
        Ok(Datagram::Vanilla(text) | Datagram::Extended(Extended::Text { text, .. })) => {
            claim(!text.contains('\0'), || "a NUL inside a text".to_owned())
        }
        _ => Ok(()),
    }
}
