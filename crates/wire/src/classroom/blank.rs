//! Blanks between the words of a line, as the programs in use split it.

use super::fault::{ClassroomFault, Parse};
use crate::parse::{before, ensure};

/// The mark with which some editors begin a text in UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Whether a byte stands between words: a space, a tab, or what else ends a line or a page (a CR before the line's end).
#[must_use]
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// The line without the mark and the blanks around it, and how many bytes stand before that.
pub(super) fn trimmed(line: &[u8]) -> (usize, &[u8]) {
    let typed = behind_blanks(line);
    let typed = typed.strip_prefix(BOM).map_or(typed, behind_blanks);
    let start = before(line, typed).len();
    let end = typed.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last.saturating_add(1));
    (start, typed.get(..end).unwrap_or_default())
}

fn behind_blanks(line: &[u8]) -> &[u8] {
    line.get(line.iter().take_while(|byte| is_blank(**byte)).count()..).unwrap_or_default()
}

/// One blank or more.
pub(super) fn blanks(input: &[u8]) -> Parse<'_, ()> {
    ensure(!input.is_empty(), input, ClassroomFault::Truncated)?;
    let count = input.iter().take_while(|byte| is_blank(**byte)).count();
    ensure(count > 0, input, ClassroomFault::Trailing)?;
    Ok((input.get(count..).unwrap_or_default(), ()))
}

/// What stands before the first blank, and the rest with that blank.
pub(super) fn word(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| is_blank(*byte)).unwrap_or(input.len());
    let (word, rest) = input.split_at_checked(end).unwrap_or_default();
    (rest, word)
}
