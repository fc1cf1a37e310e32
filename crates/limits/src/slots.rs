//! One table of places, and who makes room in it.

use alloc::collections::BTreeMap;

/// Whether a newcomer finds a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room<Id = u64> {
    /// A place is free: nobody has to go.
    Free,
    /// If this one goes.
    InPlaceOf(Id),
    /// All who would have to go are being served.
    None,
}

/// Where there are `most` places, and `share` of them for each key, whose place a newcomer with this key gets. With its own
/// share used up that of another with the same key, else that of any: of those who are idle the one with the least rank, say
/// the one idle for longest, and among equals the one that came first. `all` names each who has a place, its key, and its
/// rank if it is idle.
pub fn room<Id: Copy + Ord, K: PartialEq, R: Ord>(
    all: impl Iterator<Item = (Id, K, Option<R>)> + Clone,
    key: &K,
    share: usize,
    most: usize,
) -> Room<Id> {
    let crowded = all.clone().filter(|(_, other, _)| other == key).count() >= share;
    if !crowded && all.clone().count() < most {
        return Room::Free;
    }
    let idle = all.filter(|(_, other, _)| !crowded || other == key).filter_map(|(id, _, rank)| Some((rank?, id)));
    idle.min().map_or(Room::None, |(_, id)| Room::InPlaceOf(id))
}

#[derive(Debug)]
struct Slot<K, R, V> {
    key: K,
    idle: Option<R>,
    value: V,
}

/// A table of those who have a place. A key is whoever shares it with others, say an address. One that is idle has a rank: the
/// least makes room first ([`room`]). One that is served keeps its place.
#[derive(Debug)]
pub struct Slots<K, R, V> {
    slots: BTreeMap<u64, Slot<K, R, V>>,
    next: u64,
}

impl<K, R, V> Default for Slots<K, R, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, R, V> Slots<K, R, V> {
    /// Nobody has a place yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: BTreeMap::new(), next: 0 }
    }

    /// How many slots are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Gives a place to a newcomer that is idle, and says its number. Numbers grow and are not used again. Whether there is a
    /// place says [`Slots::room`].
    pub fn add(&mut self, key: K, rank: R, value: V) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.slots.insert(number, Slot { key, idle: Some(rank), value });
        number
    }

    /// Somebody gives a place back, or has to.
    pub fn remove(&mut self, number: u64) -> Option<V> {
        self.slots.remove(&number).map(|slot| slot.value)
    }

    /// From now on nobody takes this place; false if somebody has.
    pub fn serve(&mut self, number: u64) -> bool {
        self.slots.get_mut(&number).map(|slot| slot.idle = None).is_some()
    }

    /// From now on a newcomer may take this place; false if somebody has.
    pub fn idle(&mut self, number: u64, rank: R) -> bool {
        self.slots.get_mut(&number).map(|slot| slot.idle = Some(rank)).is_some()
    }

    /// The rank of one who is idle.
    #[must_use]
    pub fn rank(&self, number: u64) -> Option<&R> {
        self.slots.get(&number)?.idle.as_ref()
    }

    /// What belongs to a place.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        self.slots.get_mut(&number).map(|slot| &mut slot.value)
    }

    /// All, by number: number, key and value.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &K, &V)> {
        self.slots.iter().map(|(number, slot)| (*number, &slot.key, &slot.value))
    }

    /// Keeps those of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.slots.retain(|_, slot| keep(&slot.value));
    }

    /// How many places the keys have of which this is true.
    pub fn count(&self, of: impl Fn(&K) -> bool) -> usize {
        self.slots.values().filter(|slot| of(&slot.key)).count()
    }

    /// Whether all of `most` places are taken by who is being served: then no newcomer finds one, whoever it is.
    #[must_use]
    pub fn is_stuck(&self, most: usize) -> bool {
        self.len() >= most && self.slots.values().all(|slot| slot.idle.is_none())
    }
}

impl<K: Ord, R: Ord, V> Slots<K, R, V> {
    /// Whose place a newcomer with this key gets ([`room`]).
    #[must_use]
    pub fn room(&self, key: &K, share: usize, most: usize) -> Room {
        room(self.slots.iter().map(|(number, slot)| (*number, &slot.key, slot.idle.as_ref())), &key, share, most)
    }

    /// Where whoever has most gives way: the first that came of the key with most places, and among equals of the one whose first
    /// came first. Of the keys of which this is true.
    #[must_use]
    pub fn first_of_fullest(&self, of: impl Fn(&K) -> bool) -> Option<u64> {
        let mut counts: BTreeMap<&K, (usize, u64)> = BTreeMap::new();
        for (number, slot) in self.slots.iter().filter(|(_, slot)| of(&slot.key)) {
            let (count, _) = counts.entry(&slot.key).or_insert((0, *number));
            *count = count.saturating_add(1);
        }
        counts.into_values().max_by_key(|(count, first)| (*count, core::cmp::Reverse(*first))).map(|(_, first)| first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_longest_idle_makes_room_and_one_that_is_served_never() {
        let mut slots = Slots::new();
        let all: Vec<_> = (0..3).map(|at| slots.add('a', at, at)).collect();
        assert_eq!(slots.room(&'a', usize::MAX, 4), Room::Free);
        assert_eq!(slots.room(&'a', usize::MAX, 3), Room::InPlaceOf(all[0]));
        assert!(slots.serve(all[0]) && slots.idle(all[1], 9));
        assert_eq!(slots.room(&'a', usize::MAX, 3), Room::InPlaceOf(all[2]));
        assert!(slots.serve(all[1]) && !slots.is_stuck(3) && slots.serve(all[2]) && slots.is_stuck(3));
        assert_eq!((slots.room(&'a', usize::MAX, 3), slots.rank(all[2])), (Room::None, None));
        assert_eq!((slots.remove(all[1]), slots.remove(all[1]), slots.len()), (Some(1), None, 2));
        assert!(!slots.serve(all[1]) && !slots.idle(all[1], 0) && slots.get_mut(all[1]).is_none());
        assert_ne!(slots.add('a', 0, 7), all[1], "a number is not used again");
    }

    #[test]
    fn whoever_has_used_its_share_takes_from_itself() {
        let mut slots = Slots::new();
        let others = slots.add('a', 0, ());
        let own: Vec<_> = (1..3).map(|at| slots.add('b', at, ())).collect();
        assert_eq!(slots.room(&'b', 2, 9), Room::InPlaceOf(own[0]));
        assert_eq!(slots.room(&'b', 2, 3), Room::InPlaceOf(own[0]), "though another is idle for longer");
        assert_eq!(slots.room(&'c', 2, 3), Room::InPlaceOf(others));
        assert!(own.iter().all(|number| slots.serve(*number)));
        assert_eq!(slots.room(&'b', 2, 9), Room::None, "and from nobody else");
        assert_eq!((slots.count(|key| *key == 'b'), slots.iter().count()), (2, 3));
    }

    #[test]
    fn of_whoever_has_most_the_first_gives_way() {
        let mut slots = Slots::new();
        assert_eq!(slots.first_of_fullest(|_| true), None);
        let numbers: Vec<_> = "abbcc".chars().map(|key| slots.add(key, (), ())).collect();
        assert_eq!(slots.first_of_fullest(|_| true), Some(numbers[1]), "among equals that of the oldest");
        assert_eq!(slots.first_of_fullest(|key| *key != 'b'), Some(numbers[3]));
        assert_eq!(slots.first_of_fullest(|key| *key == 'a'), Some(numbers[0]));
    }

    proptest! {
        /// Whatever comes and goes: both bounds hold, and nobody is put out that is served, or for one who has used its own share.
        #[test]
        fn both_bounds_hold_and_who_is_served_stays(steps in vec((0_u8..4, 0_u8..4, 0_u8..20), 0..300)) {
            const SHARE: usize = 3;
            const MOST: usize = 7;
            let (mut slots, mut now) = (Slots::<u8, u64, bool>::new(), 0);
            for (step, key, which) in steps {
                now += 1;
                let there = slots.iter().map(|(number, ..)| number).nth(which.into());
                match (step, there) {
                    (0, Some(number)) => {
                        slots.serve(number);
                        *slots.get_mut(number).unwrap() = true;
                    }
                    (1, Some(number)) => {
                        slots.idle(number, now);
                        *slots.get_mut(number).unwrap() = false;
                    }
                    (2, Some(number)) => drop(slots.remove(number)),
                    _ => {
                        let crowded = slots.count(|other| *other == key) >= SHARE;
                        match slots.room(&key, SHARE, MOST) {
                            Room::Free => prop_assert!(!crowded && slots.len() < MOST),
                            Room::None => prop_assert!(slots.iter().all(|(_, other, served)| *served || crowded && *other != key)),
                            Room::InPlaceOf(number) => {
                                let longest = slots.rank(number).copied();
                                let (_, of, _) = slots.iter().find(|(other, ..)| *other == number).unwrap();
                                prop_assert!(longest.is_some() && (!crowded || *of == key));
                                for (other, its, _) in slots.iter().filter(|(_, its, _)| !crowded || **its == key) {
                                    prop_assert!(slots.rank(other).is_none_or(|rank| Some(*rank) >= longest), "{}", its);
                                }
                                prop_assert_eq!(slots.remove(number), Some(false));
                            }
                        }
                        if slots.room(&key, SHARE, MOST) == Room::Free {
                            slots.add(key, now, false);
                        }
                    }
                }
                prop_assert!(slots.len() <= MOST);
                for key in 0..4 {
                    prop_assert!(slots.count(|other| *other == key) <= SHARE);
                }
            }
        }
    }
}
