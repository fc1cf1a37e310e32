//! Text on its way to a plain program, which prints what it gets: no character of it moves a cursor, ends a line or rings.

use std::borrow::Cow;

/// The character, or a space for a control character (U+0000 to U+001F, U+007F to U+009F; a tab stays).
#[must_use]
pub fn plain_char(c: char) -> char {
    // A table of texts uses tabs, and they only go on in the line.
    if c.is_control() && c != '\t' { ' ' } else { c }
}

/// The text as it was typed, less its control characters ([`plain_char`]). It never grows.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| plain_char(c) == c) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(plain_char).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_alone_are_replaced() {
        assert_eq!(plain("a\0b\u{1b}[2Jc\u{8}\u{7f}\r\nd\u{9b}2J\te"), "a b [2Jc    d 2J\te");
        for c in (0..=0x9f).filter_map(char::from_u32).filter(|c| *c != '\t') {
            assert_eq!(plain_char(c) == ' ', c.is_control() || c == ' ', "{c:?}");
        }
        let typed = "grüße, \u{202e}\u{2066}\u{200b}   \u{1f600}";
        assert!(matches!(plain(typed), Cow::Borrowed(same) if same == typed));
    }
}
