//! Text of others: whatever a peer, a member, a door or a file of theirs has chosen. It may hold what moves a cursor, turns
//! the direction of writing, ends a line or is seen by nobody. So it is a type of its own, and what reaches a terminal, a log
//! line or a page goes through the one function here, which makes all that visible as `\n` or `\u{202e}`.
//!
//! How a text is shown never decides whether a message is valid: it is carried as it is (docs/protocol.md, P-T1).

use core::fmt::{self, Write};

mod chars;

pub use chars::is_hidden;

/// Characters that are shown of one such text where nobody asked for the whole.
pub const MAX_SHOWN: usize = 200;

/// Blanks in a row that are shown as they are. What follows more of them would stand on a row of its own, or below the screen.
pub const MAX_BLANKS: usize = 64;

/// One blank more than are shown.
const LONG_RUN: &str = match core::str::from_utf8(&[b' '; MAX_BLANKS + 1]) {
    Ok(blanks) => blanks,
    Err(_) => " ",
};

/// Borrowed text of others. `Display` and `Debug` are safe, on one line, and end after [`MAX_SHOWN`] characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign<'a>(&'a str);

/// A [`Foreign`] text that owns its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ForeignText(String);

impl<'a> Foreign<'a> {
    /// Text that somebody else has chosen.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text as it came, for comparing and passing on. Never for people.
    #[must_use]
    pub const fn as_raw(self) -> &'a str {
        self.0
    }

    /// All of it on one line, however long it is: texts of messages.
    #[must_use]
    pub const fn whole(self) -> impl fmt::Display + use<'a> {
        Shown { text: self.0, style: Style::Text, most: usize::MAX }
    }

    /// As `Display`, with another bound.
    #[must_use]
    pub const fn first(self, most: usize) -> impl fmt::Display + use<'a> {
        Shown { text: self.0, style: Style::Text, most }
    }

    /// All of it on one line and as it was typed: tabs stay, for a line that programs read.
    #[must_use]
    pub const fn typed(self) -> impl fmt::Display + use<'a> {
        Shown { text: self.0, style: Style::Typed, most: usize::MAX }
    }

    /// A name in quotation marks: what stands between them is the name, whatever it is. Nothing in it ends the quotation.
    #[must_use]
    pub const fn quoted(self) -> impl fmt::Display + use<'a> {
        Shown { text: self.0, style: Style::Quoted, most: MAX_SHOWN }
    }

    /// A name as it is where it is of letters, digits, `-`, `_` and `.` alone, else in quotation marks.
    #[must_use]
    pub fn name(self) -> impl fmt::Display + use<'a> {
        let plain = !self.0.is_empty() && self.0.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        Shown { text: self.0, style: if plain { Style::Text } else { Style::Quoted }, most: MAX_SHOWN }
    }

    /// A name as one word for places that have no quotation marks: what is hidden, blank, or stands around names (`"`, `\`,
    /// `/`, `?`, `@`, `(`, `)`, `<`, `>`, `#`) becomes `_`. It never grows.
    #[must_use]
    pub fn word(self) -> String {
        let mut context = chars::Context::default();
        self.0.chars().map(|c| if context.is_plain_in_word(c) { c } else { '_' }).collect()
    }

    /// The same text, owned; as little for people as it was before.
    #[must_use]
    pub fn to_text(self) -> ForeignText {
        ForeignText(self.0.to_owned())
    }
}

impl ForeignText {
    /// The text as it came, for comparing and passing on. Never for people.
    #[must_use]
    pub fn as_raw(&self) -> &str {
        &self.0
    }

    /// The text as it came, for passing on. Never for people.
    #[must_use]
    pub fn into_raw(self) -> String {
        self.0
    }

    /// To be shown in one of the ways of [`Foreign`].
    #[must_use]
    pub fn as_foreign(&self) -> Foreign<'_> {
        Foreign(&self.0)
    }
}

impl<'a> From<&'a str> for Foreign<'a> {
    fn from(text: &'a str) -> Self {
        Self(text)
    }
}

impl From<&str> for ForeignText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for ForeignText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl PartialEq<str> for ForeignText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ForeignText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown { text: self.0, style: Style::Text, most: MAX_SHOWN }, f)
    }
}

impl fmt::Debug for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.quoted(), f)
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_foreign(), f)
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_foreign(), f)
    }
}

/// How a text stands where it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Typed,
    Quoted,
}

struct Shown<'a> {
    text: &'a str,
    style: Style,
    most: usize,
}

impl Shown<'_> {
    /// As most texts are: nothing in them has to be looked at one by one.
    fn is_shown_as_it_is(&self) -> bool {
        self.style != Style::Quoted
            && self.text.len() <= self.most
            && self.text.bytes().all(|b| matches!(b, b' '..=b'~'))
            && !self.text.contains(LONG_RUN)
    }
}

impl fmt::Display for Shown<'_> {
    /// The one function through which text of others reaches people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_shown_as_it_is() {
            return f.write_str(self.text);
        }
        let quoted = self.style == Style::Quoted;
        if quoted {
            f.write_char('"')?;
        }
        let (mut room, mut context) = (self.most, chars::Context::default());
        let mut rest = self.text.chars();
        while let Some(c) = rest.next() {
            let blanks = blanks(self.style, c, &rest);
            if blanks > MAX_BLANKS {
                let (mark, len) = run_of(blanks);
                let Some(left) = room.checked_sub(len) else {
                    write!(f, "\u{2026}(+{})", rest.count().saturating_add(1))?;
                    break;
                };
                room = left;
                f.write_str(&mark)?;
                (1..blanks).for_each(|_| {
                    rest.next();
                });
                context = chars::Context::default();
                continue;
            }
            let next = rest.clone().next();
            let plain = match self.style {
                Style::Text => context.is_plain_in_text(c, next),
                Style::Typed => c == '\t' || context.is_plain_in_text(c, next),
                Style::Quoted => context.is_plain_in_quotes(c),
            };
            let Some(left) = room.checked_sub(if plain { 1 } else { escaped_len(c) }) else {
                write!(f, "\u{2026}(+{})", rest.count().saturating_add(1))?;
                break;
            };
            room = left;
            match (plain, c) {
                (true, _) => f.write_char(c)?,
                (false, '\n') => f.write_str("\\n")?,
                (false, _) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            }
        }
        if quoted {
            f.write_char('"')?;
        }
        Ok(())
    }
}

/// How many blanks stand in a row from this character on, where that is looked at.
fn blanks(style: Style, c: char, rest: &core::str::Chars<'_>) -> usize {
    // For programs a text stays as it was typed.
    if c != ' ' || style == Style::Typed {
        return 0;
    }
    rest.clone().take_while(|c| *c == ' ').count().saturating_add(1)
}

/// What stands for so many blanks, and its characters.
fn run_of(blanks: usize) -> (String, usize) {
    let mark = format!(" \u{2026}(+{} blanks) ", blanks.saturating_sub(2));
    let len = mark.chars().count();
    (mark, len)
}

/// Characters that an escaped one takes.
fn escaped_len(c: char) -> usize {
    if c == '\n' { 2 } else { c.escape_unicode().count() }
}

/// JSON text in which what is hidden, and more than a few marks on a letter, stands as `\uXXXX`: the same values, and a terminal that
/// shows it obeys nobody.
#[must_use]
pub fn json(text: &str) -> std::borrow::Cow<'_, str> {
    // In what a serializer writes such characters stand in strings alone, and it has escaped those below U+0020 itself.
    if text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')) {
        return text.into();
    }
    let (mut out, mut context) = (String::with_capacity(text.len()), chars::Context::default());
    for c in text.chars() {
        if context.is_plain_in_json(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests;
