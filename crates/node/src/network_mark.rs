//! The mark on what goes out: `sender@c0de: text`, where `c0de` is of the network's id. A node of this network that sees
//! it come in by a door knows that the network has sent it, and does not take it again: so nothing goes in circles, whatever
//! way it took outside: through other networks, which put their own mark before ours, and through programs that put a name, a room or a
//! time before what they pass on. So the mark counts wherever it stands in a text.

use rumormill_wire::NetworkId;
use rumormill_wire::foreign::is_hidden;
use rumormill_wire::native::{MAX_CLAIMED_LEN, MAX_DOOR_LEN};

/// Marks that are looked through. A text that has been through so many networks goes nowhere any more.
const MAX_MARKS: usize = 8;
/// The longest sender in a mark: `claimed/door?`.
const MAX_SENDER_LEN: usize = MAX_CLAIMED_LEN + MAX_DOOR_LEN + 2;

/// What a network writes on what it sends out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkMark(String);

impl NetworkMark {
    pub(crate) fn of(network: &NetworkId) -> Self {
        Self(network.as_bytes().iter().take(2).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The line that goes out.
    pub(crate) fn line(&self, sender: &str, text: &str) -> String {
        format!("{}@{}: {text}", sender_word(sender), self.0)
    }

    /// The same as one word, for readers that split at white space and show what stands before the first: `_` stands for
    /// each blank of the text, and `;` for each comma: what follows a comma is an entry of its own there, and would bear no mark.
    pub(crate) fn word(&self, sender: &str, text: &str) -> String {
        let visible = |c: char| match c {
            ',' => ';',
            c if c.is_whitespace() || is_hidden(c) => '_',
            c => c,
        };
        let text: String = text.chars().map(visible).collect();
        format!("{}@{}:{text}", sender_word(sender), self.0)
    }

    /// Whether this network sent it, or so many others that it has to end.
    pub(crate) fn is_on(&self, text: &str) -> bool {
        let (mut ours, mut all) = (false, 0_usize);
        for tag in text.match_indices('@').filter_map(|(at, _)| tag(text, at)) {
            ours |= tag == self.0;
            all = all.saturating_add(1);
        }
        ours || all >= MAX_MARKS
    }
}

/// A sender as one word: what would end the mark early is replaced.
fn sender_word(sender: &str) -> String {
    let plain = |c: char| if c.is_whitespace() || is_hidden(c) || c == '@' || c == ',' { '_' } else { c };
    let mut word: String = sender.chars().map(plain).collect();
    while word.len() > MAX_SENDER_LEN {
        word.pop();
    }
    word
}

/// The tag of a mark whose `@` stands at this place: behind a sender, and before a colon.
fn tag(text: &str, at: usize) -> Option<&str> {
    let (sender, rest) = text.split_at_checked(at)?;
    let (tag, _) = rest.strip_prefix('@')?.split_once(':')?;
    let good = sender.ends_with(|c: char| !c.is_whitespace())
        && tag.len() == 4
        && tag.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    good.then_some(tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark() -> NetworkMark {
        NetworkMark::of(&NetworkId([
            0xc0, 0xde, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
            27, 28, 29, 30,
        ]))
    }

    #[test]
    fn one_word_shows_who_and_what() {
        let word = mark().word("team 127.0.0.1:9090/peer-line?", " two  words,\u{a0}a\ttab\r\n\u{1c}end ");
        assert_eq!(word, "team_127.0.0.1:9090/peer-line?@c0de:_two__words;_a_tab___end_");
        assert!(mark().is_on(&word));
    }

    #[test]
    fn what_went_out_is_known_when_it_comes_back() {
        let line = mark().line("alice", "hello: you@home: x");
        assert_eq!(line, "alice@c0de: hello: you@home: x");
        assert!(mark().is_on(&line));
        assert!(mark().is_on("bob@0001: alice@c0de: hello"), "through another network");
        assert!(mark().is_on("A/udp-mesh?@c0de:"), "cut to nothing");
        assert!(mark().is_on("bob@0001:team_127.0.0.1:9090/peer-line?@c0de:hi_there"), "as one word");
        assert!(mark().is_on("127.0.0.1:8080 team alice@c0de: hello"), "behind what another program puts before it");
        assert!(mark().is_on("[12:01] <bob@home> room 127.0.0.1/relay-43110?@c0de:hello"));
        assert!(mark().is_on(&"x@0001: ".repeat(MAX_MARKS)), "too often passed on");
        assert!(!mark().is_on(&"x@0001: ".repeat(MAX_MARKS - 1)));
        for text in ["", "hello", "bob@0001: hello", "alice@C0DE: x", "me @c0de: x", "@c0de: x", "a@c0de", "a@c0de0: x"]
        {
            assert!(!mark().is_on(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_sender_and_text_bear_the_mark(sender in ".{1,200}", text in ".{0,40}") {
            prop_assert!(mark().is_on(&mark().line(&sender, &text)));
            let behind = format!("{text} {}", mark().line(&sender, &text));
            prop_assert!(mark().is_on(&behind));
            let word = mark().word(&sender, &text);
            prop_assert!(mark().is_on(&word) && !word.contains(|c: char| c.is_whitespace() || c.is_control()));
        }
    }
}
