//! Letters as the items of one PULL.
//!
//! An item has at most [`MAX_ITEM_LEN`] bytes, and no field that would say which part of a letter it is. What shows that is its
//! length: an item of [`GOES_ON`] bytes or more goes on in the next one, and a shorter one is the end of its letter. No sender
//! can forge that, and the text stays as it is.

use std::borrow::Cow;

use rumormill_wire::plain;
use rumormill_wire::push_pull::{ITEM, Item, MAX_ADDRESS_LEN, MAX_ITEM_LEN, MESSAGE};

use crate::cut::{cut, one_line};
use crate::holds::Hold;
use crate::services::Letter;

/// Items of one PULL; what is over waits for the next.
pub const MAX_ITEMS: usize = 1_024;

/// Bytes of an item for its source and its contents.
const ROOM: usize = MAX_ITEM_LEN - ITEM.len() - MESSAGE.len();

/// An item of so many bytes goes on in the next: no character has more than 4, so what cannot be the end is never shorter.
const GOES_ON: usize = MAX_ITEM_LEN - 3;

/// The items, ready to be written, and the letters that they are.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) writes: Vec<Vec<u8>>,
    pub(super) ids: Vec<u64>,
    /// That nobody else is given them.
    pub(super) holds: Vec<Hold>,
}

impl Items {
    /// As many whole letters as one PULL takes; the others are free for the next.
    pub(super) fn of(letters: Vec<Letter>) -> Self {
        let mut items = Self::default();
        for letter in letters {
            let writes = writes(&letter);
            if items.writes.len().saturating_add(writes.len()) > MAX_ITEMS {
                break;
            }
            items.writes.extend(writes);
            items.ids.push(letter.id);
            items.holds.push(letter.hold);
        }
        items
    }

    pub(super) fn bytes(&self) -> usize {
        self.writes.iter().map(Vec::len).sum()
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.writes.len()).unwrap_or(u32::MAX)
    }
}

fn writes(letter: &Letter) -> Vec<Vec<u8>> {
    let source = source(&letter.source);
    let room = ROOM.saturating_sub(source.len());
    let item = |contents| {
        let mut item = Vec::with_capacity(MAX_ITEM_LEN);
        if let Err(why) = (Item { source: &source, contents }).encode(&mut item) {
            tracing::error!(%why, "an item that cannot be made");
        }
        item
    };
    // The client prints what it gets, and others wrote it.
    pieces(&plain(&letter.contents), room).into_iter().map(item).collect()
}

/// The contents of a letter's items, with so many bytes of room in each. All but the last fill their item as far as whole
/// characters can, and the last, which may be empty, does not: so it shows which is the last.
fn pieces(text: &str, room: usize) -> Vec<&str> {
    let goes_on = room.saturating_sub(MAX_ITEM_LEN - GOES_ON);
    let (mut found, mut rest) = (Vec::new(), text);
    while rest.len() >= goes_on {
        // Something is left for the last if it can be.
        let most = room.min(rest.len().saturating_sub(1));
        let end = (goes_on..=most).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        found.push(piece);
        rest = after;
    }
    found.push(rest);
    found
}

/// A source as an item can carry it: with no control characters and no ` MSG:`, not empty and not too long.
fn source(text: &str) -> Cow<'_, str> {
    let plain = one_line(text);
    let plain = if plain.contains(MESSAGE) { Cow::Owned(plain.replace(MESSAGE, "_MSG:")) } else { plain };
    if plain.is_empty() {
        return Cow::Borrowed("?");
    }
    Cow::Owned(cut(&plain, MAX_ADDRESS_LEN).0.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumormill_wire::push_pull::MAX_CONTENTS_LEN;

    use super::*;

    fn letter(id: u64, source: &str, contents: &str) -> Letter {
        let hold = crate::holds::Holds::default().take(id).unwrap();
        Letter { id, source: source.into(), contents: contents.into(), hold }
    }

    /// Letters, as a reader puts them together who knows nothing but what the items' lengths say.
    fn put_together(writes: &[Vec<u8>]) -> Vec<String> {
        let (mut letters, mut open) = (Vec::new(), String::new());
        for write in writes {
            open.push_str(Item::parse(write).unwrap().contents);
            if write.len() < GOES_ON {
                letters.push(std::mem::take(&mut open));
            }
        }
        assert_eq!(open, "", "the last letter has its end");
        letters
    }

    #[test]
    fn a_letter_is_an_item() {
        let items = Items::of(vec![letter(7, "127.0.0.5", "grüße MSG: again"), letter(9, "anna", "")]);
        assert_eq!(items.writes, ["IP: 127.0.0.5 MSG:grüße MSG: again".as_bytes(), b"IP: anna MSG:"]);
        assert_eq!((items.ids, items.writes.len()), (vec![7, 9], 2));
    }

    #[test]
    fn a_letter_moves_no_cursor_and_shows_no_line_of_another() {
        let items =
            Items::of(vec![letter(1, "d2", "a\0b\u{1b}[2Jc\u{8}\u{7f}\u{9b}2J\r\nIP: boss MSG:forged\t\u{202e}")]);
        assert_eq!(items.writes, ["IP: d2 MSG:a b [2Jc   2J  IP: boss MSG:forged\t\u{202e}".as_bytes()]);
    }

    #[test]
    fn whole_letters_up_to_the_bound() {
        let long = "x".repeat(MAX_CONTENTS_LEN);
        let items = Items::of((0..100).map(|id| letter(id, "a", &long)).collect());
        let each = items.writes.len() / items.ids.len();
        assert!(items.writes.len() <= MAX_ITEMS && items.writes.len() + each > MAX_ITEMS);
        assert_eq!(items.ids, (0..60).collect::<Vec<u64>>());
    }

    #[test]
    fn an_items_length_says_whether_its_letter_goes_on() {
        // All lengths about one and two full items, with characters of 1 to 4 bytes at the cut.
        for unit in ["x", "é", "€", "\u{1f600}"] {
            for bytes in (2_000..2_080).chain(4_040..4_120) {
                let text = format!("{}{}", "y".repeat(bytes % 7), unit.repeat(bytes / unit.len()));
                let items = Items::of(["", &text, "next", &text].map(|text| letter(1, "s3", text)).into());
                assert_eq!(put_together(&items.writes), ["", &text, "next", &text], "{bytes} of {unit}");
            }
        }
        let most = MAX_ITEM_LEN - "IP: s3 MSG:".len();
        let count = |len| Items::of(vec![letter(1, "s3", &"x".repeat(len))]).writes.len();
        assert_eq!((count(most - 4), count(most - 3), count(most), count(most + 1)), (1, 2, 2, 2));
    }

    proptest! {
        #[test]
        fn items_are_put_together_to_letters(texts in proptest::collection::vec("\\PC{0,3000}", 1..4)) {
            let items = Items::of(texts.iter().map(|text| letter(1, "anna", text)).collect());
            prop_assert_eq!(put_together(&items.writes), texts);
        }

        #[test]
        fn nothing_is_lost_and_every_item_is_one(from in ".{0,400}", contents in "(\\PC|\n){0,9000}") {
            let items = Items::of(vec![letter(1, &from, &contents)]);
            let mut whole = String::new();
            for write in &items.writes {
                let item = Item::parse(write).unwrap();
                prop_assert_eq!(item.source, source(&from));
                whole.push_str(item.contents);
            }
            prop_assert_eq!(whole, contents.replace('\n', " "));
        }

        #[test]
        fn hostile_sources_are_sources(parts in proptest::collection::vec("( MSG:|MSG:| |\n|é){1,4}", 0..60)) {
            let from = parts.concat();
            prop_assert!(Item::parse(&Items::of(vec![letter(1, &from, "x")]).writes[0]).unwrap().contents == "x");
        }
    }
}
