//! One of many at random, without looking at all of them.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt};

use crate::io::LinkId;

/// The links among which is chosen. The same changes in the same order and the same generator give the same choice.
#[derive(Debug, Default, Clone)]
pub(crate) struct Picker {
    order: Vec<LinkId>,
    place: BTreeMap<LinkId, usize>,
}

impl Picker {
    /// One more to choose from; nothing changes if it is there.
    pub(crate) fn insert(&mut self, link: LinkId) {
        if !self.place.contains_key(&link) {
            self.place.insert(link, self.order.len());
            self.order.push(link);
        }
    }

    /// One less; the last one takes its place.
    pub(crate) fn remove(&mut self, link: LinkId) {
        let Some(place) = self.place.remove(&link).filter(|place| *place < self.order.len()) else { return };
        self.order.swap_remove(place);
        if let Some(moved) = self.order.get(place) {
            self.place.insert(*moved, place);
        }
    }

    /// How many there are.
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Any of them but those `not`, each as likely as the next.
    pub(crate) fn pick(&self, rng: &mut dyn Rng, not: &[Option<LinkId>]) -> Option<LinkId> {
        let left_out = not.iter().flatten().filter_map(|not| self.place.get(not).copied()).collect::<BTreeSet<_>>();
        let choice = self.order.len().checked_sub(left_out.len()).filter(|choice| *choice > 0)?;
        let drawn = rng.random_range(0..choice);
        // Places after one that is left out move up by one.
        let place = left_out.into_iter().fold(drawn, |place, out| place.saturating_add(usize::from(place >= out)));
        self.order.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn each_of_those_that_are_left_is_as_likely_and_one_left_out_never_is() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut picker = Picker::default();
        assert_eq!(picker.pick(&mut rng, &[]), None);
        (0..6).for_each(|n| picker.insert(LinkId(n)));
        picker.insert(LinkId(3));
        picker.remove(LinkId(1));
        picker.remove(LinkId(1));
        assert_eq!((picker.order.len(), picker.place.len()), (5, 5));
        let leave = |links: &[u64]| links.iter().map(|link| Some(LinkId(*link))).collect::<Vec<_>>();
        for not in [&[][..], &[0], &[5], &[1], &[2, 5], &[5, 0], &[3, 3], &[4, 1]].map(leave) {
            let mut drawn = BTreeMap::<_, u32>::new();
            for _ in 0..10_000 {
                *drawn.entry(picker.pick(&mut rng, &not).unwrap()).or_default() += 1;
            }
            let here = [0, 2, 3, 4, 5].map(LinkId);
            let left: Vec<_> = here.into_iter().filter(|link| !not.contains(&Some(*link))).collect();
            assert_eq!(drawn.keys().copied().collect::<Vec<_>>(), left);
            let even = 10_000 / u32::try_from(left.len()).unwrap();
            assert!(drawn.values().all(|times| times.abs_diff(even) < even / 5), "{drawn:?}");
        }
        (0..6).filter(|n| *n != 4).for_each(|n| picker.remove(LinkId(n)));
        assert_eq!(picker.pick(&mut rng, &[None, Some(LinkId(4))]), None);
        assert_eq!(picker.pick(&mut rng, &[None]), Some(LinkId(4)));
    }
}
