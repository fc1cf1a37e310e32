//! All links, who said something by which, and whose place a newcomer gets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rumormill_limits::{Room, Timestamp, room};

/// Links from others at once.
pub const MAX_ACCEPTED: usize = 512;
/// Links from one address at once.
pub const MAX_BY_ADDRESS: usize = 128;
/// Links that we dialled, at once.
pub(super) const MAX_DIALLED: usize = 128;

/// A link's number. None is used twice, and a later link has a higher one.
pub(super) type RelayLinkId = u64;

/// A frame on its way. The ticket is told what became of the message whose last frame it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutgoingFrame<T> {
    pub(super) bytes: Vec<u8>,
    /// Whether no other frame of its message comes after it.
    pub(super) last: bool,
    pub(super) ticket: Option<T>,
}

/// A link as the machine knows it.
#[derive(Debug)]
pub(super) struct LinkState<T> {
    pub(super) ip: IpAddr,
    /// Whether we dialled; else the other side did.
    pub(super) dialled: bool,
    pub(super) opened: Timestamp,
    /// When the other side last said something that is of this protocol.
    pub(super) useful: Option<Timestamp>,
    /// A write that is not done.
    pub(super) busy: bool,
    /// What is written; a greeting is not kept.
    pub(super) writing: Option<OutgoingFrame<T>>,
    /// Before this nothing is written: the reader takes one read for one frame.
    pub(super) free_at: Timestamp,
}

/// All links by number.
#[derive(Debug)]
pub(super) struct Links<T>(pub(super) BTreeMap<RelayLinkId, LinkState<T>>);

impl<T> Links<T> {
    pub(super) fn add(&mut self, id: RelayLinkId, ip: IpAddr, dialled: bool, now: Timestamp) {
        let link = LinkState { ip, dialled, opened: now, useful: None, busy: false, writing: None, free_at: now };
        self.0.insert(id, link);
    }

    fn of(&self, ip: IpAddr) -> impl Iterator<Item = (RelayLinkId, &LinkState<T>)> {
        self.0.iter().filter(move |(_, link)| link.ip == ip).map(|(id, link)| (*id, link))
    }

    /// By which link to write to an address: one that we dialled goes where the other program listens; of the others, the
    /// latest that said something. One that has said nothing is nobody yet.
    pub(super) fn best(&self, ip: IpAddr) -> Option<RelayLinkId> {
        let speaks = self.of(ip).filter(|(_, link)| link.dialled || link.useful.is_some());
        speaks.max_by_key(|(id, link)| (link.dialled, link.opened, *id)).map(|(id, _)| id)
    }

    /// When the latest of those that have dialled us and not yet said a word did so.
    pub(super) fn silent_since(&self, ip: IpAddr) -> Option<Timestamp> {
        let silent = self.of(ip).filter(|(_, link)| !link.dialled && link.useful.is_none());
        silent.map(|(_, link)| link.opened).max()
    }

    /// All addresses that can be written to.
    pub(super) fn speaking(&self) -> impl Iterator<Item = IpAddr> {
        self.0.values().filter(|link| link.dialled || link.useful.is_some()).map(|link| link.ip)
    }

    /// Whether a newcomer from here needs the place of another, and whose: that of the one that has said nothing useful
    /// for longest, and first of all of one that never did. Those from addresses that people named go last: the other program takes
    /// few connections in its life.
    pub(super) fn in_the_way(&self, ip: IpAddr, named: impl Fn(&IpAddr) -> bool) -> Option<RelayLinkId> {
        let accepted = self.0.iter().filter(|(_, link)| !link.dialled);
        let worth = |link: &LinkState<T>| (named(&link.ip), link.useful.is_some(), link.useful.unwrap_or(link.opened));
        let all = accepted.map(|(id, link)| (*id, link.ip, Some(worth(link))));
        match room(all, &ip, MAX_BY_ADDRESS, MAX_ACCEPTED) {
            Room::InPlaceOf(id) => Some(id),
            Room::Free | Room::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(n: u64) -> Timestamp {
        Timestamp::ZERO.plus(n * 1_000_000)
    }

    fn ip(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn the_link_that_we_dialled_or_the_latest_that_spoke() {
        let mut links = Links::<()>(BTreeMap::new());
        (0..3).for_each(|id| links.add(id, ip(2), false, s(id)));
        assert_eq!(links.best(ip(2)), None);
        links.0.get_mut(&1).unwrap().useful = Some(s(1));
        assert_eq!(links.best(ip(2)), Some(1));
        links.0.get_mut(&2).unwrap().useful = Some(s(1));
        assert_eq!(links.best(ip(2)), Some(2));
        links.add(3, ip(2), true, Timestamp::ZERO);
        assert_eq!((links.best(ip(2)), links.best(ip(3))), (Some(3), None));
    }

    #[test]
    fn who_never_said_anything_makes_room_first_and_then_who_did_so_longest_ago() {
        let mut links = Links::<()>(BTreeMap::new());
        for id in 0..u64::try_from(MAX_BY_ADDRESS).unwrap() {
            assert_eq!(links.in_the_way(ip(2), |_| false), None);
            links.add(id, ip(2), false, s(id));
        }
        links.0.get_mut(&0).unwrap().useful = Some(s(1));
        assert_eq!(links.in_the_way(ip(2), |_| false), Some(1));
        assert_eq!(links.in_the_way(ip(3), |_| false), None);
        links.0.values_mut().for_each(|link| link.useful = Some(link.opened.plus(1_000_000)));
        links.0.get_mut(&0).unwrap().useful = Some(s(900));
        assert_eq!(links.in_the_way(ip(2), |_| false), Some(1));
    }

    #[test]
    fn a_full_house_makes_room_for_a_new_address() {
        let mut links = Links::<()>(BTreeMap::new());
        for id in 0..u64::try_from(MAX_ACCEPTED).unwrap() {
            links.add(id, IpAddr::from(u32::try_from(id).unwrap().to_be_bytes()), false, s(1));
        }
        assert_eq!(links.in_the_way(ip(9), |_| false), Some(0));
        let first = IpAddr::from(0_u32.to_be_bytes());
        assert_eq!(links.in_the_way(ip(9), |ip| *ip == first), Some(1), "not one that people named");
    }
}
