//! Which characters are shown as they are. What a character is, its general category in Unicode says; a list of our own would
//! know the scripts of those who wrote it. Lists here hold only what no category says: letters, symbols and marks that nobody sees, and which
//! of what is hidden a script needs.

use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory};

/// Marks that may stand on one letter; more climb over the lines around. What joins counts too: it has no place of its own.
const MAX_MARKS: u8 = 6;

/// How a character stands in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// On a place of its own.
    Seen,
    /// On the character before it.
    Mark,
    /// Not at all, or it moves others.
    Hidden,
}

fn kind(c: char) -> Kind {
    match c {
        // What most texts are made of is not looked up: Latin, Cyrillic, Han, Hangul.
        ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{400}'..='\u{482}' => Kind::Seen,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Kind::Seen,
        _ if is_seen_by_nobody(c) => Kind::Hidden,
        _ if is_conjoining(c) => Kind::Mark,
        _ => of_category(c.general_category()),
    }
}

const fn of_category(category: Category) -> Kind {
    match category {
        Category::Control
        | Category::Format
        | Category::LineSeparator
        | Category::ParagraphSeparator
        | Category::PrivateUse
        | Category::Surrogate
        | Category::Unassigned => Kind::Hidden,
        Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark => Kind::Mark,
        _ => Kind::Seen,
    }
}

/// Letters, symbols and marks by category, and yet blank: what is ignored by default, and fillers.
const fn is_seen_by_nobody(c: char) -> bool {
    matches!(c, '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        // An empty pattern of Braille, fillers of Hangul and Khitan, a note without a head.
        | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{16fe4}' | '\u{1d159}'
        // Blanks and joins between hieroglyphs; selectors of a variant.
        | '\u{13430}'..='\u{1345f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Vowels and finals of Hangul, letters by category: they are written into the syllable that the letter before them begins.
const fn is_conjoining(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7c6}' | '\u{d7cb}'..='\u{d7fb}')
}

/// Whether a character is a control, is seen by nobody, turns the direction of writing, ends a line, or has no meaning, or one that
/// only its maker knows. Emoji and scripts are made with some of these; see `Context`.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    kind(c) == Kind::Hidden
}

/// What stands before a character of a text.
#[derive(Default)]
pub(super) struct Context {
    before: Option<char>,
    /// What stands before is shown as it is, and is no blank: a mark can stand on it.
    carries: bool,
    /// Marks and joiners since the last letter.
    marks: u8,
}

impl Context {
    /// Whether a character stands in a text as it is: selectors and joiners do where an emoji or a script needs them,
    /// marks do on a letter, a few.
    pub(super) fn is_plain_in_text(&mut self, c: char, next: Option<char>) -> bool {
        self.take(c, next).1
    }

    /// What a character is, and whether it stands in a text.
    fn take(&mut self, c: char, next: Option<char>) -> (Kind, bool) {
        if matches!(c, ' '..='~') {
            *self = Self { before: Some(c), carries: c != ' ', marks: 0 };
            return (Kind::Seen, true);
        }
        let (before, kind) = (self.before.replace(c), kind(c));
        let follows = self.carries && self.marks < MAX_MARKS;
        // A joiner leaves room for what it joins.
        let joins = self.carries && self.marks.saturating_add(1) < MAX_MARKS;
        let plain = match (c, kind) {
            ('\u{fe0e}' | '\u{fe0f}', _) => follows && before.is_some_and(|b| is_emoji(b) || is_keycap(b)),
            ('\u{200d}', _) => joins && (joins_emoji(before, next) || joins_script(before, next)),
            ('\u{200c}', _) => joins && joins_script(before, next),
            (_, Kind::Hidden) => is_sign_before(c) && next.is_some_and(begins_word),
            (_, Kind::Mark) => follows,
            // Another blank than the usual one cannot be told from it, or is as wide as many.
            (_, Kind::Seen) => !c.is_whitespace(),
        };
        let has_no_place = kind == Kind::Mark || matches!(c, '\u{fe0e}' | '\u{fe0f}' | '\u{200c}' | '\u{200d}');
        self.marks = if has_no_place { self.marks.saturating_add(1) } else { 0 };
        self.carries = plain;
        (kind, plain)
    }

    /// Whether a character stands in a name in quotation marks as it is: nothing hidden does, and no mark but those of a script.
    pub(super) fn is_plain_in_quotes(&mut self, c: char) -> bool {
        let (kind, in_text) = self.take(c, None);
        let plain = in_text && !(c == '"' || kind == Kind::Hidden || is_mark_of_no_script(c));
        self.carries &= plain;
        plain
    }

    /// Whether a character stands in a name of one word as it is.
    pub(super) fn is_plain_in_word(&mut self, c: char) -> bool {
        let stands_around_names = matches!(c, '\\' | '/' | '?' | '@' | '(' | ')' | '<' | '>' | '#' | ',');
        let plain = self.is_plain_in_quotes(c) && !(stands_around_names || c == ' ');
        self.carries &= plain;
        plain
    }

    /// Whether a character stands in JSON text as it is: there each has another form of the same value. Lines end, blanks are blanks.
    pub(super) fn is_plain_in_json(&mut self, c: char) -> bool {
        let (kind, in_text) = self.take(c, None);
        self.carries &= c != '"';
        match kind {
            Kind::Seen => true,
            Kind::Mark => in_text,
            Kind::Hidden => c == '\n',
        }
    }
}

fn begins_word(c: char) -> bool {
    c.is_alphanumeric() && kind(c) == Kind::Seen
}

/// Signs of Arabic, Syriac and Kaithi that are seen, around or over the number or word that follows.
const fn is_sign_before(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{110bd}' | '\u{110cd}')
}

fn joins_emoji(before: Option<char>, next: Option<char>) -> bool {
    before.is_some_and(|b| is_emoji(b) || b == '\u{fe0f}') && next.is_some_and(is_emoji)
}

/// Letters of Arabic and the scripts of India, in which a joiner changes how words are written.
fn joins_script(before: Option<char>, next: Option<char>) -> bool {
    let joins = |c: char| matches!(c, '\u{620}'..='\u{6d5}' | '\u{6fa}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{900}'..='\u{dff}');
    before.is_some_and(joins) && next.is_some_and(|c| joins(c) && !is_hidden(c))
}

const fn is_keycap(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

/// What emoji are made of; some codes between them are not used yet.
fn is_emoji(c: char) -> bool {
    let among = matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}');
    among && !is_hidden(c)
}

/// Marks for letters of any script, by Unicode's blocks of them, and those that enclose: what stands around a name would not be
/// safe from them. Vowels and tones are marks of their script, without which its names cannot be read.
fn is_mark_of_no_script(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{a66f}'..='\u{a672}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests;
