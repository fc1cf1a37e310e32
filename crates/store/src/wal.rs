//! Whether SQLite's write-ahead log lost what had been committed.
//!
//! SQLite reads the log up to the first frame whose sum is wrong and takes that for the end, as it is after a kill in the
//! middle of a write. A commit that stands behind that place in the same round of the log tells damage from an end. A log
//! that is gone or cut short cannot be told from one that ends there.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The log's first word; its lowest bit says which way sums are computed.
const MAGIC: u32 = 0x377f_0682;
const LARGEST_PAGE: u32 = 65_536;

/// What is wrong with the log, if something is.
///
/// # Errors
/// It is there and cannot be read.
pub(crate) fn fault(path: &Path) -> std::io::Result<Option<&'static str>> {
    let mut file = match File::open(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        other => BufReader::new(other?),
    };
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(None);
    }
    let big = word(&header, 0) & 1 == 1;
    let page = word(&header, 8);
    let mut valid = add((0, 0), &header[..24], big);
    if word(&header, 0) & !1 != MAGIC || valid != (word(&header, 24), word(&header, 28)) || page > LARGEST_PAGE {
        return Ok(Some("the head of the write-ahead log is damaged; what was in the log is gone"));
    }
    let mut frame = vec![0; FRAME_HEADER.saturating_add(usize::try_from(page).unwrap_or(0))];
    let mut ended = false;
    while fill(&mut file, &mut frame)? {
        let (head, data) = frame.split_at(FRAME_HEADER);
        let ours = head[8..16] == header[16..24];
        if !ended {
            let sum = add(add(valid, &head[..8], big), data, big);
            ended = !ours || sum != (word(head, 16), word(head, 20));
            valid = sum;
        }
        if ended && ours && word(head, 4) != 0 {
            return Ok(Some("the write-ahead log is damaged; commits after the damage are gone"));
        }
    }
    Ok(None)
}

/// Fills the buffer, or says that the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Err(why) if why.kind() == ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_be_bytes(*four))
}

/// SQLite's sum, over eight bytes at a time.
fn add(start: (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs.iter().fold(start, |(a, b), [p, q, r, s, t, u, v, w]| {
        let read = if big { u32::from_be_bytes } else { u32::from_le_bytes };
        let a = a.wrapping_add(read([*p, *q, *r, *s])).wrapping_add(b);
        (a, b.wrapping_add(read([*t, *u, *v, *w])).wrapping_add(a))
    })
}
