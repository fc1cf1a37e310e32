//! Which characters are shown as they are.

/// Marks that may stand on one letter; more climb over the lines around.
const MAX_MARKS: u8 = 6;

/// Whether a character is a control, is seen by nobody, turns the direction of writing, ends a line, or has a meaning that
/// only its maker knows. Emoji are made with some of these; see `Context`.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    let code = c as u32;
    // The last two of each plane are characters for nobody.
    c.is_control()
        || code & 0xfffe == 0xfffe
        || matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Zero width, joiners, direction marks; line and paragraph separators, embeddings and overrides.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        // Word joiner, invisible operators, isolates, deprecated formats.
        | '\u{2060}'..='\u{206f}'
        // Blank, though it is none to `is_whitespace`: an empty pattern of Braille, fillers of Hangul.
        | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}'
        | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Private use; tags and variation selectors.
        | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

pub(super) fn is_plain_in_quotes(c: char) -> bool {
    c == ' ' || !(is_hidden(c) || is_mark(c) || c.is_whitespace() || c == '"')
}

pub(super) fn is_plain_in_word(c: char) -> bool {
    let stands_around_names = matches!(c, '"' | '\\' | '/' | '?' | '@' | '(' | ')' | '<' | '>' | '#' | ',');
    !(stands_around_names || is_hidden(c) || is_mark(c) || c.is_whitespace())
}

/// What stands before a character of a text.
#[derive(Default)]
pub(super) struct Context {
    before: Option<char>,
    marks: u8,
}

impl Context {
    /// Whether a character stands in a text as it is: selectors and joiners do where an emoji or a script needs them,
    /// marks do on a letter, a few.
    pub(super) fn is_plain_in_text(&mut self, c: char, next: Option<char>) -> bool {
        let before = self.before.replace(c);
        if is_mark(c) {
            self.marks = self.marks.saturating_add(1);
            let stands = |b: char| b == '\u{fe0f}' || !(is_hidden(b) || b.is_whitespace());
            return before.is_some_and(stands) && self.marks <= MAX_MARKS;
        }
        self.marks = 0;
        match c {
            '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(|b| is_emoji(b) || is_keycap(b)),
            '\u{200d}' => {
                let joins_emoji = before.is_some_and(|b| is_emoji(b) || b == '\u{fe0f}') && next.is_some_and(is_emoji);
                joins_emoji || joins_script(before, next)
            }
            '\u{200c}' => joins_script(before, next),
            // Another blank than the usual one cannot be told from it, or is as wide as many.
            _ => c == ' ' || !(is_hidden(c) || c.is_whitespace()),
        }
    }
}

/// Letters of Arabic and the scripts of India, in which a joiner changes how words are written.
fn joins_script(before: Option<char>, next: Option<char>) -> bool {
    let joins = |c: char| matches!(c, '\u{620}'..='\u{6d5}' | '\u{6fa}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{900}'..='\u{dff}');
    before.is_some_and(joins) && next.is_some_and(joins)
}

const fn is_keycap(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

const fn is_emoji(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Marks that stand on the character before them.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use crate::Foreign;

    #[test]
    fn other_blanks_than_the_usual_one_are_seen() {
        for blank in ['\u{a0}', '\u{1680}', '\u{2003}', '\u{2007}', '\u{202f}', '\u{205f}', '\u{3000}', '\t'] {
            let text = format!("a{blank}b c");
            let seen = format!("a\\u{{{:x}}}b c", u32::from(blank));
            assert_eq!(Foreign::new(&text).whole().to_string(), seen);
        }
    }
}
