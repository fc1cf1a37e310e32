//! Lines on a terminal: what is longer than the terminal is wide is folded here, and what goes on is indented. A terminal
//! that folds by itself begins at the first column, where text of others, after as many blanks as it takes, can seem to be a
//! line of somebody else.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::UnicodeWidthChar;

/// What stands before a part that goes on.
const INDENT: &str = "    ";
/// The width of a terminal that does not say.
const USUAL: usize = 80;
/// Narrower ones are taken to be so wide: no room is left there for text beside the indent.
const NARROWEST: usize = 12;

/// How wide a terminal is; `None` for what is none.
#[must_use]
pub fn width(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let said = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if said == 0 { USUAL } else { said.max(NARROWEST) })
}

/// The most columns that any terminal gives a character. Terminals differ by the version of Unicode that they know: what one joins to
/// the character before it takes a column in another, and symbols have become wide. Who is given too many only has a row that ends early.
fn columns(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        // Conjoining Hangul.
        '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' => 2,
        // Letters of Greek and Cyrillic are wide to those only who set their terminal so.
        '\0'..='\u{20ff}' if c.is_alphanumeric() => c.width().map_or(1, |wide| wide.max(1)),
        '\0'..='\u{20ff}' => c.width_cjk().map_or(1, |wide| wide.max(1)),
        // Scripts without wide letters: Glagolitic to Cyrillic Extended-A, Lisu to Meetei Mayek, forms of Latin, Hebrew and Arabic,
        // halfwidth forms, historical scripts. And what may make the emoji before it wide.
        '\u{2c00}'..='\u{2dff}'
        | '\u{a4d0}'..='\u{abff}'
        | '\u{fb00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{fe70}'..='\u{feff}'
        | '\u{ff61}'..='\u{ffdc}'
        | '\u{10000}'..='\u{16fdf}'
        | '\u{1e000}'..='\u{1efff}' => c.width().map_or(1, |wide| wide.max(1)),
        _ => 2,
    }
}

/// Folds what is wider than so many columns. Codes for colours take none. The last column stays free: not all terminals wait
/// there for what comes next.
#[must_use]
pub fn fold(text: &str, width: usize) -> Cow<'_, str> {
    fold_from(text, width, &mut 0)
}

/// The same of text that begins at a column, for output in which not every part ends its line; gives the column behind it.
pub fn fold_from<'a>(text: &'a str, width: usize, column: &mut usize) -> Cow<'a, str> {
    let most = width.saturating_sub(1).max(INDENT.len().saturating_add(2));
    if text.len() <= most && *column == 0 && !text.contains('\n') {
        *column = text.chars().map(columns).fold(0, usize::saturating_add);
        if *column <= most {
            return Cow::Borrowed(text);
        }
        *column = 0;
    }
    let (mut folded, mut code) = (String::with_capacity(text.len().saturating_add(64)), false);
    for c in text.chars() {
        if c == '\n' {
            *column = 0;
        } else if code || c == '\x1b' {
            code = c != 'm';
        } else {
            let wide = columns(c);
            if column.saturating_add(wide) > most {
                folded.push('\n');
                folded.push_str(INDENT);
                *column = INDENT.len();
            }
            *column = column.saturating_add(wide);
        }
        folded.push(c);
    }
    Cow::Owned(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal of so many columns shows at the beginning of each of its rows, whatever it folds by itself.
    fn rows(text: &str, width: usize) -> Vec<String> {
        let mut rows = Vec::new();
        for line in text.split('\n') {
            let (mut row, mut column) = (String::new(), 0);
            for c in line.chars() {
                let wide = c.width().unwrap_or(0);
                if column + wide > width {
                    rows.push(std::mem::take(&mut row));
                    column = 0;
                }
                column += wide;
                row.push(c);
            }
            rows.push(row);
        }
        rows
    }

    #[test]
    fn nothing_that_goes_on_begins_at_the_first_column() {
        let forged = "2026-11-26T11:57:21.407517Z alice: I agree";
        for width in [12, 40, 79, 80, 81, 200] {
            for blanks in 0..260 {
                for letter in ["x", "\u{4e2d}", "\u{1f600}", "\u{e9}"] {
                    let line = format!("2026-11-26T11:57:20.000000Z eve: {letter}{}{forged}", " ".repeat(blanks));
                    let folded = fold(&line, width);
                    let rows = rows(&folded, width);
                    assert!(rows[1..].iter().all(|row| row.starts_with(INDENT)), "{width} {blanks} {rows:?}");
                    assert_eq!(folded.replace("\n    ", ""), line, "nothing is lost");
                }
            }
        }
    }

    #[test]
    fn no_terminal_gives_a_character_more_columns_than_are_counted() {
        // Joined to what stands before by some, shown by itself by others.
        let joined = "\u{ff9e}\u{ff9f}\u{d4e}\u{a8fa}\u{111c3}\u{11941}\u{11a85}\u{11a89}\u{11d46}\u{301}\u{e31}\u{93f}\u{200d}\u{1160}";
        assert!(joined.chars().all(|c| columns(c) >= 1));
        // Made wide by later versions of Unicode, or by some terminals.
        for wide in [
            '\u{4dc0}'..='\u{4dff}',
            '\u{3248}'..='\u{324f}',
            '\u{2630}'..='\u{2637}',
            '\u{268a}'..='\u{268f}',
            '\u{1d300}'..='\u{1d376}',
        ] {
            assert!(wide.clone().all(|c| columns(c) == 2), "{wide:?}");
        }
        for c in ('\0'..=char::MAX).filter(|c| !c.is_control()) {
            let least = if c.is_alphanumeric() { c.width() } else { c.width_cjk() };
            assert!((1..=3).contains(&columns(c)) && columns(c) >= least.unwrap_or(0), "{c:?}");
        }
    }

    /// Whatever of it the terminal joins to the character before.
    #[test]
    fn nothing_begins_at_the_first_column_by_marks_that_a_terminal_does_not_know() {
        let forged = "2026-11-26T11:57:21.407517Z alice: I agree";
        for (mark, width) in [("\u{ff9e}", 80), ("\u{d4e}", 80), ("\u{a8fa}", 120), ("\u{4dc0}", 80), ("\u{e31}", 40)] {
            for marks in 0..width {
                let line = format!("2026-11-26T11:57:20.000000Z eve: ok{}{forged}", mark.repeat(marks));
                for row in fold(&line, width).split('\n') {
                    let most: usize = row.chars().map(|c| if c == '\u{4dc0}' { 2 } else { 1 }).sum();
                    assert!(most < width, "{mark:?} {marks}: a row of {most} in {width}");
                }
            }
        }
    }

    #[test]
    fn text_that_begins_behind_other_text_is_folded_by_where_it_stands() {
        let mut column = 0;
        assert_eq!(fold_from("Enter: ", 20, &mut column), "Enter: ");
        assert_eq!((fold_from("abcdefghijklmnop", 20, &mut column).as_ref(), column), ("abcdefghijkl\n    mnop", 8));
        assert_eq!((fold_from("\nx", 20, &mut column).as_ref(), column), ("\nx", 1));
        let mut wide = 0;
        assert_eq!(
            fold_from("\u{4e2d}\u{4e2d}\u{4e2d}\u{4e2d}\u{4e2d}\u{4e2d}", 12, &mut wide),
            "\u{4e2d}\u{4e2d}\u{4e2d}\u{4e2d}\u{4e2d}\n    \u{4e2d}"
        );
    }

    #[test]
    fn what_fits_and_lines_that_end_by_themselves_stay_as_they_are() {
        assert!(matches!(fold("short", 80), Cow::Borrowed("short")));
        let two = format!("{}\n{}\n", "a".repeat(70), "b".repeat(70));
        assert_eq!(fold(&two, 80), two);
        let coloured = format!("\x1b[2m{}\x1b[0m", "a".repeat(79));
        assert_eq!(fold(&coloured, 80), coloured, "a code takes no column");
        assert_eq!(fold(&"a".repeat(80), 80), format!("{}\n    a", "a".repeat(79)));
        assert_eq!(fold(&"\u{4e2d}".repeat(40), 80), format!("{}\n    \u{4e2d}", "\u{4e2d}".repeat(39)));
    }
}
