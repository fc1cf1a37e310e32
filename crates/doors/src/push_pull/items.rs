//! Letters as the items of one PULL.

use std::borrow::Cow;

use rumormill_wire::plain;
use rumormill_wire::push_pull::{ITEM, Item, MAX_ADDRESS_LEN, MAX_ITEM_LEN, MESSAGE};

use crate::cut::{cut, one_line, pieces};
use crate::services::Letter;

/// Items of one PULL; what is over waits for the next.
pub const MAX_ITEMS: usize = 1_024;

/// Bytes of an item for its source and its contents.
const ROOM: usize = MAX_ITEM_LEN - ITEM.len() - MESSAGE.len();

/// The items, ready to be written, and the letters that they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Items {
    pub(super) writes: Vec<Vec<u8>>,
    pub(super) ids: Vec<u64>,
}

impl Items {
    /// As many whole letters as one PULL takes.
    pub(super) fn of(letters: Vec<Letter>) -> Self {
        let mut items = Self::default();
        for letter in letters {
            let writes = writes(&letter);
            if items.writes.len().saturating_add(writes.len()) > MAX_ITEMS {
                break;
            }
            items.writes.extend(writes);
            items.ids.push(letter.id);
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
        Letter { id, source: source.into(), contents: contents.into() }
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

    proptest! {
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
