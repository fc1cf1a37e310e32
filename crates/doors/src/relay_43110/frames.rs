//! Texts as frames that the legacy program can take, which splits and prints them: without `|` and control characters.

use std::net::IpAddr;

use rumormill_wire::plain;
use rumormill_wire::push_pull::relay::{RelayFrame, unsplit};

use crate::cut::{cut, pieces};

/// A text in one frame, in bytes: what its PULL makes of it, with code and source, has to stay within 2,048.
pub(super) const MAX_TEXT_LEN: usize = 2_000;

fn frame(frame: RelayFrame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Err(why) = frame.encode(&mut out) {
        tracing::error!(%why, "a frame that cannot be made");
    }
    out
}

/// What we say to whom we dialled.
pub(super) fn greeting(dialled: IpAddr) -> Vec<u8> {
    frame(RelayFrame::Greeting(&dialled.to_string()))
}

/// All of a text and nothing but it, at a program that splits at `|` and obeys control characters.
fn shown(text: &str) -> String {
    unsplit(&plain(text)).into_owned()
}

/// The room's line in one frame; the second says whether it was cut. In several frames, all but the first would lack the
/// mark by which it is known when it comes back.
pub(super) fn line(text: &str) -> (Vec<u8>, bool) {
    let text = shown(text);
    let (text, was_cut) = cut(&text, MAX_TEXT_LEN);
    (frame(RelayFrame::Message(&text)), was_cut)
}

/// A message to one in as many frames as it takes.
pub(super) fn message(text: &str) -> Vec<Vec<u8>> {
    pieces(&shown(text), MAX_TEXT_LEN).into_iter().map(|text| frame(RelayFrame::Message(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_page() {
        assert_eq!(greeting([127, 0, 0, 5].into()), b"14|0001|127.0.0.5");
        assert_eq!(line("hi there"), (b"13|0002|hi there".to_vec(), false));
    }

    #[test]
    fn an_item_made_of_a_frame_is_within_its_bound() {
        let (bytes, was_cut) = line(&"é".repeat(1_001));
        let shown = format!("IP: {} MSG:0002|", IpAddr::from([255, 255, 255, 255]));
        assert!(was_cut && bytes.len() <= 2_048 && shown.len() + MAX_TEXT_LEN <= 2_048);
    }

    #[test]
    fn no_frame_moves_a_cursor_or_ends_a_line() {
        let text = "a\u{1b}[2J\r\nb\0\u{9b}c";
        let expected = b"16|0002|a [2J  b  c".to_vec();
        assert_eq!(line(text), (expected.clone(), false));
        assert_eq!(message(text), [expected]);
    }

    #[test]
    fn no_frame_holds_a_bar_at_which_the_legacy_program_splits() {
        let forged = "mal|@38e3: |alice@0000: forged";
        let expected = "37|0002|mal\u{a6}@38e3: \u{a6}alice@0000: forged".to_owned().into_bytes();
        assert_eq!(line(forged), (expected.clone(), false));
        assert_eq!(message(forged), [expected]);
        // A bar has two bytes then, which count.
        for frame in message(&"|".repeat(5_000)).into_iter().chain([line(&"|".repeat(2_000)).0]) {
            assert!(frame.len() <= "2005|0002|".len() + MAX_TEXT_LEN && RelayFrame::decode(&frame).is_ok());
        }
    }

    #[test]
    fn a_message_to_one_loses_nothing() {
        let text = "grüße ".repeat(2_000);
        let whole: String = message(&text)
            .iter()
            .map(|bytes| match RelayFrame::decode(bytes).unwrap() {
                RelayFrame::Message(text) => text.to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(whole, text);
        assert_eq!(message("").len(), 1);
    }
}
