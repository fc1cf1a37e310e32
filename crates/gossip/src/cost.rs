//! What it costs to keep a bundle: its bytes, what the store needs besides to find it again, and so much for each message
//! (docs/protocol.md, P-G1).

/// Bytes of a page of the store.
pub const PAGE: usize = 8_192;
/// What a bundle's row takes besides its bytes. Measured.
pub const ROW: usize = 72;
/// What its entries in two indexes take, whose pages are two thirds full. Measured.
pub const ENTRIES: usize = 72;

/// What a message costs beside its bytes, whoever is charged for it: an author (P-G1), or a door that brings it. Messages
/// without content take a few bytes in a bundle, and every reading of the log finds, orders and shows each of them: by bytes
/// alone a day's allowance were 15 million of them, among which nobody finds what people say. With this it is 260,000.
pub const MESSAGE: usize = 256;

/// What a bundle of so many bytes and messages is charged with for keeping it.
#[must_use]
pub fn charged(len: usize, messages: usize) -> u64 {
    let messages = MESSAGE.saturating_mul(messages);
    u64::try_from(kept(len).saturating_add(messages)).unwrap_or(u64::MAX)
}

/// A bundle counts for so much of its author's pace at least: its signature is to be checked and its row to be written, however
/// short it is. An honest node closes no more than a thousand in a second.
const MIN_PACED: u64 = 2_048;

/// Each message counts for a part of what keeping it costs: ten thousand short ones that people's programs write at once go
/// nearly at once, and messages without content come at some 30,000 a second, which followers take, not at half a million.
const MESSAGE_PACED: u64 = MESSAGE as u64 / 4;

/// What a bundle of so many bytes and messages counts for of its author's pace (docs/protocol.md, P-G6).
#[must_use]
pub fn paced(bytes: usize, messages: u16) -> u64 {
    let messages = MESSAGE_PACED.saturating_mul(messages.into());
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(messages).max(MIN_PACED)
}

/// What a bundle of so many bytes takes on the disk: its entries, and the part of pages that a row of its size takes. One that no
/// other of its size fits beside has its page for itself.
#[must_use]
pub const fn kept(len: usize) -> usize {
    let row = len.saturating_add(ROW);
    let rest = row % PAGE;
    let shared = match PAGE.checked_div(rest) {
        Some(fit) => match PAGE.checked_div(fit) {
            Some(share) => share,
            None => PAGE,
        },
        None => 0,
    };
    row.saturating_sub(rest).saturating_add(shared).saturating_add(ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_messages_without_content_is_a_number_that_readers_bear() {
        // What 512 of them take on the wire, and one alone.
        for (len, messages) in [(2_200, 512), (152, 1)] {
            let bundles = (64 << 20) / charged(len, messages);
            assert!(bundles * messages as u64 <= 262_144, "{messages}");
        }
        let talk = 1_000 * charged(152 + 20, 1);
        assert!(talk < 1 << 20, "a thousand short messages, each in its own bundle, are less than 1 MiB of 64: {talk}");
    }

    #[test]
    fn a_bundle_costs_its_bytes_its_row_its_entries_and_what_of_a_page_nobody_else_can_use() {
        for (len, pages) in [
            (157, 8_192 / 35),
            (1_000, 8_192 / 7),
            (2_700, 8_192 / 2),
            (4_100, PAGE),
            (PAGE - ROW, PAGE),
            (PAGE, PAGE + 8_192 / 113),
            (62_096, 8 * PAGE),
        ] {
            assert_eq!(kept(len), pages + ENTRIES, "{len}");
        }
        let own = |len: usize| len + ROW + ENTRIES;
        assert!((0..70_000).all(|len| kept(len) >= own(len) && kept(len) <= 2 * own(len)));
        assert!((0..70_000).all(|len| kept(len) <= kept(len + 1)), "less is never dearer");
        assert!(kept(usize::MAX) > usize::MAX - PAGE);
    }
}
