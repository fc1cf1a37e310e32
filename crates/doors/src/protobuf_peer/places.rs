//! Who makes room for a newcomer once all places are taken.
//!
//! No legacy peer says anything while it has nothing to say, and none dials again when its link is closed: who has been here for long
//! does not go for a newcomer from its own address, whether it says much or not. So of each address only the part that came last makes
//! room. A flood of newcomers takes places from itself, and leaves each of them some time to speak.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rumormill_limits::Timestamp;

use crate::address::prefix;

/// Of the links of an address this part, those that came last, may have to make room; one at least.
pub(super) const PART_THAT_GOES: usize = 4;

/// Who shares places: all programs on this machine, an address of IPv4, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// All programs of this machine.
    Here,
    /// An address of IPv4, or the prefix of a /64.
    At(IpAddr),
}

impl Owner {
    pub(super) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_loopback() { Self::Here } else { Self::At(prefix(address)) }
    }
}

/// One that has a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Its number, which grows with each that came.
    pub(super) link: u64,
    pub(super) owner: Owner,
    /// Whether it has said more than who it is.
    pub(super) spoke: bool,
    /// When it last said something useful.
    pub(super) heard: Timestamp,
}

/// Who makes room for one of `newcomer`. It is one of the owner with most places; with as many as another the newcomer's own, else
/// the one whose last came last. Of those of the owner's links that came last ([`PART_THAT_GOES`]) one that never spoke goes
/// before one that did, and of them the one that was not heard for longest.
pub(super) fn victim(all: impl Iterator<Item = Placed>, newcomer: Owner) -> Option<u64> {
    let mut by_owner = BTreeMap::<Owner, Vec<Placed>>::new();
    for placed in all {
        by_owner.entry(placed.owner).or_default().push(placed);
    }
    let last = |links: &[Placed]| links.iter().map(|placed| placed.link).max();
    let rank = |(owner, links): &(Owner, Vec<Placed>)| (links.len(), *owner == newcomer, last(links));
    let (_, mut links) = by_owner.into_iter().max_by_key(rank)?;
    links.sort_by_key(|placed| std::cmp::Reverse(placed.link));
    links.truncate(links.len().div_ceil(PART_THAT_GOES));
    links.into_iter().min_by_key(|placed| (placed.spoke, placed.heard, placed.link)).map(|placed| placed.link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: [u8; 4] = [192, 0, 2, 1];

    fn placed(link: u64, address: [u8; 4], spoke: bool) -> Placed {
        Placed { link, owner: Owner::of(address.into()), spoke, heard: Timestamp(link) }
    }

    #[test]
    fn of_an_address_only_those_who_came_last_go_and_of_them_who_never_spoke_first() {
        let mut all: Vec<_> = (0..16).map(|link| placed(link, FAR, link != 3 && link != 14)).collect();
        let next = |all: &[Placed]| victim(all.iter().copied(), Owner::of(FAR.into()));
        assert_eq!(next(&all), Some(14), "who never spoke and came late, not 3, which came early");
        all[14].spoke = true;
        assert_eq!(next(&all), Some(12), "of the last four the one that was silent for longest");
        all[12].heard = Timestamp(99);
        assert_eq!(next(&all), Some(13));
        assert_eq!(victim(std::iter::empty(), Owner::Here), None);
    }

    #[test]
    fn whoever_has_most_places_gives_one_and_all_programs_of_this_machine_are_one() {
        let here = |link: u64| placed(link, [127, 0, 0, link.to_le_bytes()[0] + 1], true);
        let far = |link: u64| placed(link, FAR, true);
        let all = || (0..2).map(here).chain((2..5).map(far));
        assert_eq!(victim(all(), Owner::Here), Some(4), "not of those who have fewer");
        let all = || (0..3).map(far).chain((3..6).map(here));
        assert_eq!(victim(all(), Owner::of(FAR.into())), Some(2), "as many: the newcomer's own");
        assert_eq!(victim(all(), Owner::of([192, 0, 2, 9].into())), Some(5), "as many: who came last");
        assert_eq!(Owner::of("::1".parse().unwrap()), Owner::Here);
        assert_eq!(Owner::of("2001:db8::1".parse().unwrap()), Owner::of("2001:db8::2".parse().unwrap()));
    }
}
