//! A stream that comes in pieces gives what it gives in one piece.

use super::{Codec, Finding, claim};

/// A format that is cut out of a stream.
pub trait Stream: Codec {
    /// Bytes of what begins here, once that is known. `ended`: no more will come.
    ///
    /// # Errors
    /// The offset of the fault.
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize>;

    /// How much of it stands before what [`Codec::parse`] takes.
    fn prefix_len(&self) -> usize {
        0
    }
}

/// What a reader makes of the next bytes of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// One value, encoded again, and the bytes it took.
    Value(Vec<u8>, usize),
    /// Cut out and not understood: bytes taken, offset of the fault.
    Refused(usize, usize),
    /// No cut is possible: offset of the fault. The end.
    Broken(usize),
    /// Bytes left over at the end.
    Left(usize),
}

/// Reads the same stream once as a whole and once in pieces, whose sizes `seed` draws.
///
/// # Errors
/// The two differ.
pub fn split_is_whole<S: Stream>(stream: &S, seed: u16, bytes: &[u8]) -> Result<(), Finding> {
    let mut state = u64::from(seed) | 1 << 32;
    let mut rest = bytes;
    let chunks = core::iter::from_fn(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = usize::try_from(state >> 59).unwrap_or_default().saturating_add(1).min(rest.len());
        let (chunk, after) = rest.split_at_checked(size)?;
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    });
    same(stream, bytes, chunks)
}

/// Reads the same stream once as a whole and once in two pieces, for each place where it can be cut.
///
/// # Errors
/// The two differ.
pub fn any_split_is_whole<S: Stream>(stream: &S, bytes: &[u8]) -> Result<(), Finding> {
    (0..=bytes.len())
        .filter_map(|at| bytes.split_at_checked(at))
        .try_for_each(|(a, b)| same(stream, bytes, [a, b].into_iter()))
}

fn same<'a, S: Stream>(stream: &S, bytes: &'a [u8], pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), Finding> {
    let (whole, split) = (read(stream, [bytes].into_iter())?, read(stream, pieces)?);
    claim(whole == split, || format!("as a whole {whole:02x?}, in pieces {split:02x?}"))
}

fn read<'a, S: Stream>(stream: &S, chunks: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Piece>, Finding> {
    let (mut buffer, mut pieces) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        if !drain(stream, &mut buffer, false, &mut pieces)? {
            return Ok(pieces);
        }
    }
    if drain(stream, &mut buffer, true, &mut pieces)? {
        pieces.push(Piece::Left(buffer.len()));
    }
    Ok(pieces)
}

/// Takes all that is complete; false once the stream is broken.
fn drain<S: Stream>(stream: &S, buffer: &mut Vec<u8>, ended: bool, pieces: &mut Vec<Piece>) -> Result<bool, Finding> {
    loop {
        let len = match stream.cut(buffer, ended) {
            Ok(Some(len)) if len <= buffer.len() => len,
            Ok(_) => return Ok(true),
            Err(offset) => {
                claim(offset <= buffer.len(), || format!("fault at {offset} of {} bytes", buffer.len()))?;
                pieces.push(Piece::Broken(offset));
                return Ok(false);
            }
        };
        claim(len > stream.prefix_len(), || format!("a piece of {len} bytes"))?;
        let piece = buffer.get(stream.prefix_len()..len).unwrap_or_default();
        let mut out = Vec::new();
        pieces.push(match stream.parse(piece) {
            Ok(value) => {
                stream.encode(&value, &mut out).map_err(Finding)?;
                Piece::Value(out, len)
            }
            Err(offset) => Piece::Refused(len, offset),
        });
        buffer.drain(..len);
    }
}
