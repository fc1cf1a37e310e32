//! What a bundle's numbers alone decide (docs/protocol.md, F and B). No signature is checked here.

use rumormill_wire::Seq;
use rumormill_wire::native::BundleHeader;

use super::io::{ChainState, Dropped};
use super::queue::{Purpose, VerifyQueue};
use crate::bundle::RawBundle;

/// What the numbers say of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByNumber {
    Duplicate,
    Check(Purpose),
    Dropped(Dropped),
}

pub(super) fn by_number(raw: &RawBundle, standing: &ChainState<'_>, queue: &VerifyQueue) -> ByNumber {
    let header = raw.header();
    let (origin, first) = (header.origin, header.first);
    if standing.limit == Some(Seq::FIRST) {
        // No place is lower: more evidence is of no use.
        return ByNumber::Dropped(Dropped::Withdrawn);
    }
    if standing.searched {
        return ByNumber::Check(Purpose::Evidence);
    }
    if header.next() <= standing.next {
        let differs = standing.ours.is_some_and(|ours| ours.header() != header || ours.bytes() != raw.bytes());
        return if differs { ByNumber::Check(Purpose::Evidence) } else { ByNumber::Duplicate };
    }
    if first < standing.next {
        return ByNumber::Check(Purpose::Evidence);
    }
    if standing.limit.is_some_and(|limit| first >= limit) {
        return ByNumber::Dropped(Dropped::Withdrawn);
    }
    if first == standing.next && is_set_back(raw, standing) {
        return ByNumber::Dropped(Dropped::SetBack);
    }
    if standing.store_full {
        let passed = first < standing.reached;
        return if passed { ByNumber::Duplicate } else { ByNumber::Check(Purpose::Chain) };
    }
    let known = queue.has_place(origin, first) || first <= queue.run_end(origin, standing.next);
    if known { ByNumber::Check(Purpose::Chain) } else { ByNumber::Dropped(Dropped::Gap) }
}

/// Whether this is what was found to be set back already. The signature is of one content, so another content with it does
/// not hold.
fn is_set_back(raw: &RawBundle, standing: &ChainState<'_>) -> bool {
    standing.set_back.is_some_and(|known| {
        let signature = raw.bytes().get(BundleHeader::LEN..).unwrap_or_default();
        known.header == *raw.header() && signature.starts_with(known.signature.as_bytes())
    })
}
