//! A look at the write-ahead log before SQLite reads it (SQLite file format, section 4).
//!
//! SQLite takes the frames up to the first bad one and drops the rest without a word, for that is how a torn write looks.
//! A commit behind the first bad frame was whole once, though, and is lost: that has to be said, for our own numbers may
//! be among them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Checksums are of big-endian words when the lowest bit is set.
const MAGIC: u32 = 0x377f_0682;
/// The only version there is.
const VERSION: u32 = 3_007_000;
/// Frames beyond this many bytes are not looked at.
const MAX_SCAN: u64 = 1 << 30;

/// What is wrong with a log, in words; nothing if it is in order, torn at its end at most, or not there.
///
/// # Errors
/// It cannot be read.
pub(super) fn fault(path: &Path) -> std::io::Result<Option<&'static str>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    let mut input = BufReader::new(file.take(MAX_SCAN));
    let mut header = [0; HEADER];
    if !fill(&mut input, &mut header)? {
        return Ok(Some("the write-ahead log is cut short"));
    }
    let Some(mut walk) = Walk::start(&header) else {
        return Ok(Some("the write-ahead log has a bad header"));
    };
    let mut frame = vec![0; FRAME_HEADER.saturating_add(walk.page)];
    while fill(&mut input, &mut frame)? {
        if walk.lost_commit(&frame) {
            return Ok(Some("the write-ahead log has a bad frame before a commit"));
        }
    }
    Ok(None)
}

/// Reads until the buffer is full; false at the end of the input.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Walk {
    page: usize,
    big: bool,
    salt: [u8; 8],
    sum: (u32, u32),
    /// A frame was bad, so SQLite takes none behind it.
    bad: bool,
}

impl Walk {
    fn start(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0)?;
        let page = usize::try_from(word(header, 8)?).ok()?;
        let big = magic & 1 == 1;
        let sum = checksum(header.get(..24)?, big, (0, 0));
        let good = magic & !1 == MAGIC
            && word(header, 4)? == VERSION
            && (512..=65_536).contains(&page)
            && page.is_power_of_two()
            && sum == (word(header, 24)?, word(header, 28)?);
        let salt = header.get(16..24)?.try_into().ok()?;
        good.then_some(Self { page, big, salt, sum, bad: false })
    }

    /// Whether this frame was a commit that SQLite will not find.
    fn lost_commit(&mut self, frame: &[u8]) -> bool {
        // The first bad one may be a torn write of a commit that was never told to anyone.
        let behind_a_bad_one = self.bad;
        // Frames of an earlier round of the same file have another salt and are nobody's loss.
        if frame.get(8..16) != Some(&self.salt[..]) {
            self.bad = true;
            return false;
        }
        if !self.bad {
            let sum = checksum(frame.get(..8).unwrap_or_default(), self.big, self.sum);
            self.sum = checksum(frame.get(FRAME_HEADER..).unwrap_or_default(), self.big, sum);
            self.bad = (word(frame, 16), word(frame, 20)) != (Some(self.sum.0), Some(self.sum.1));
        }
        behind_a_bad_one && word(frame, 4) != Some(0)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn checksum(bytes: &[u8], big: bool, (mut a, mut b): (u32, u32)) -> (u32, u32) {
    for pair in bytes.as_chunks::<8>().0 {
        let [x0, x1, x2, x3, y0, y1, y2, y3] = *pair;
        let read = |word| if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
        a = a.wrapping_add(read([x0, x1, x2, x3])).wrapping_add(b);
        b = b.wrapping_add(read([y0, y1, y2, y3])).wrapping_add(a);
    }
    (a, b)
}
