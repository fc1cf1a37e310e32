//! Cutting text to what another program can take.

use std::borrow::Cow;

/// What stands at the end of a text that was cut.
const MARK: &str = "\u{2026}";

/// The text in at most `max` bytes, never cut inside a character; the second says whether something is missing. Then it
/// ends with `…`, if there is room for that.
#[must_use]
pub fn cut(text: &str, max: usize) -> (Cow<'_, str>, bool) {
    if text.len() <= max {
        return (Cow::Borrowed(text), false);
    }
    let Some(room) = max.checked_sub(MARK.len()) else {
        return (Cow::Borrowed(head(text, max)), true);
    };
    (Cow::Owned(format!("{}{MARK}", head(text, room))), true)
}

/// The whole characters that fit into `max` bytes.
fn head(text: &str, max: usize) -> &str {
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// The text in pieces of at most `max` bytes (no fewer than a character has), none cut inside a character; an empty text
/// is one empty piece.
#[must_use]
pub fn pieces(text: &str, max: usize) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while rest.len() > max.max(4) {
        let first = head(rest, max.max(4));
        found.push(first);
        rest = rest.get(first.len()..).unwrap_or_default();
    }
    found.push(rest);
    found
}

/// Control characters as spaces: a message is one line in most of the legacy worlds.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// What somebody at a terminal sees of text of others, however long: one line that moves no cursor (P-T1).
#[must_use]
pub fn shown(text: &str) -> String {
    rumormill_wire::Foreign::new(text).whole().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_say_so() {
        assert_eq!(cut("short", 5), (Cow::Borrowed("short"), false));
        assert_eq!(cut("longer", 5).0, "lo\u{2026}");
        assert_eq!(cut("ééé", 5).0, "é\u{2026}");
        assert_eq!(cut("éé", 3).0, "\u{2026}");
        assert_eq!(cut("abc", 2), (Cow::Borrowed("ab"), true));
        assert_eq!(cut("é", 1), (Cow::Borrowed(""), true));
        for max in 0..20 {
            assert!(cut("aé\u{1f600}bcd\u{1f600}é", max).0.len() <= max);
        }
    }

    #[test]
    fn pieces_are_the_whole() {
        assert_eq!(pieces("", 10), [""]);
        assert_eq!(pieces("abcdefghij", 5), ["abcde", "fghij"]);
        assert_eq!(pieces("éééa", 5), ["éé", "éa"]);
        assert_eq!(pieces("\u{1f600}\u{1f600}", 1), ["\u{1f600}", "\u{1f600}"]);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("a\r\nb\0c"), "a  b c");
        assert!(matches!(one_line("plain"), Cow::Borrowed(_)));
    }
}
