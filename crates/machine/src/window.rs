//! How much of gossip's may be on its way to a neighbour: what its link takes in a quarter of a second.
//!
//! What is given to a link leaves in the order in which it was given, so all that comes later waits for it, whoever wrote it: on a slow
//! link a long queue is a long delay, and buys nothing. What is not given yet waits at a cursor, where authors take turns.
//! The bound follows what the link takes, as a dynamic queue limit does (Herbert 2011, `lib/dynamic_queue_limits.c` of Linux): by
//! Little's law, what was on its way when a byte was given, divided by how long that byte took, is the rate of the link.

use std::collections::VecDeque;

/// Bytes of the fastest link.
use rumormill_gossip::config::LINK_WINDOW as MAX_WINDOW;
use rumormill_limits::Timestamp;

/// What is given waits about so long on a link that takes less than all, in microseconds.
const TARGET_US: u64 = 250_000;
/// Bytes of the slowest link, and of one of which nothing is known. The bundle that goes over it comes on top.
pub(crate) const MIN_WINDOW: usize = 16 * 1024;
/// Moments that are remembered of what is on its way; what more there are count for the last one.
const MAX_MARKS: usize = 64;

/// What was given up to here, when, and how much was on its way then.
#[derive(Debug, Clone, Copy)]
struct Mark {
    end: u64,
    at: Timestamp,
    ahead: u64,
}

/// The window of one link.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: usize,
    /// Bytes since the link is up.
    pub(crate) given: u64,
    /// Those of them that have left.
    pub(crate) written: u64,
    marks: VecDeque<Mark>,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { bytes: MIN_WINDOW, given: 0, written: 0, marks: VecDeque::new() }
    }

    /// So many bytes are on their way from now on.
    pub(crate) fn given(&mut self, bytes: usize, now: Timestamp) {
        self.given = self.given.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let (end, ahead) = (self.given, self.given.saturating_sub(self.written));
        let full = self.marks.len() >= MAX_MARKS;
        match self.marks.back_mut().filter(|last| full || last.at == now) {
            Some(last) => *last = Mark { end, ahead, ..*last },
            None => self.marks.push_back(Mark { end, at: now, ahead }),
        }
    }

    /// So many of them were written. Gives the window if it is another one now.
    pub(crate) fn written(&mut self, bytes: usize, now: Timestamp) -> Option<usize> {
        self.written = self.written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let mut last = None;
        while let Some(mark) = self.marks.front().filter(|mark| mark.end <= self.written).copied() {
            self.marks.pop_front();
            last = Some(mark);
        }
        let half = self.bytes / 2;
        // Where little was on its way, how long it took says nothing about how much more would have gone.
        let mark = last.filter(|mark| usize::try_from(mark.ahead).unwrap_or(usize::MAX) >= half)?;
        let fits = mark.ahead.saturating_mul(TARGET_US).checked_div(now.since(mark.at).max(1)).unwrap_or(0);
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        let bytes = fits.clamp(half, self.bytes.saturating_mul(2)).clamp(MIN_WINDOW, MAX_WINDOW);
        let before = core::mem::replace(&mut self.bytes, bytes);
        (before != bytes).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A link that takes so many bytes a second, kept as full as its window allows, with frames of this size. Gives its window in the end
    /// and the longest time that a byte waited after the first so many.
    fn run(window: &mut Window, rate: u64, frame: usize, frames: usize, after: usize) -> u64 {
        let (mut now, mut longest) = (0, 0);
        let mut ahead: VecDeque<(usize, u64)> = VecDeque::new();
        for n in 0..frames {
            while ahead.iter().map(|(bytes, _)| bytes).sum::<usize>() < window.bytes {
                window.given(frame, Timestamp(now));
                ahead.push_back((frame, now));
            }
            let (bytes, at) = ahead.pop_front().unwrap();
            now += u64::try_from(bytes).unwrap() * 1_000_000 / rate;
            window.written(bytes, Timestamp(now));
            if n > after {
                longest = longest.max(now - at);
            }
        }
        longest
    }

    #[test]
    fn a_fast_link_has_the_largest_window_after_a_few_writes_and_a_slow_one_the_least() {
        let mut window = Window::new();
        run(&mut window, 100_000_000, 60_000, 40, 0);
        assert_eq!(window.bytes, MAX_WINDOW);
        run(&mut window, 30_000, 6_000, 1_000, 0);
        assert_eq!(window.bytes, MIN_WINDOW);
        run(&mut window, 100_000_000, 60_000, 40, 0);
        assert_eq!(window.bytes, MAX_WINDOW, "it comes back");
    }

    #[test]
    fn what_says_little_changes_nothing() {
        let mut window = Window::new();
        for second in 1..1_000 {
            window.given(200, Timestamp(second * 1_000_000));
            assert_eq!(window.written(200, Timestamp(second * 1_000_000 + 900_000)), None);
        }
        assert_eq!(window.bytes, MIN_WINDOW);
    }

    proptest! {
        #[test]
        fn nothing_waits_much_longer_than_the_target(rate in 100_000_u64..50_000_000, frame in 100_usize..65_542) {
            let mut window = Window::new();
            let frames = 4_000_000 / frame + 40;
            let longest = run(&mut window, rate, frame, frames, frames / 2);
            // The window may be exceeded by one frame, and grows at most twice before it hears.
            let least = u64::try_from(MIN_WINDOW + 2 * frame).unwrap() * 1_000_000 / rate;
            prop_assert!(longest <= 2 * TARGET_US + least, "{longest} us");
            prop_assert!(window.marks.len() <= MAX_MARKS);
        }

        #[test]
        fn it_stays_in_its_bounds_whatever_is_said(
            steps in prop::collection::vec((any::<bool>(), 0_usize..1_000_000, 0_u64..1_000_000), 0..200),
        ) {
            let (mut window, mut now) = (Window::new(), 0);
            for (given, bytes, us) in steps {
                now += us;
                if given {
                    window.given(bytes, Timestamp(now));
                } else {
                    window.written(bytes, Timestamp(now));
                }
                prop_assert!((MIN_WINDOW..=MAX_WINDOW).contains(&window.bytes));
                prop_assert!(window.marks.len() <= MAX_MARKS);
            }
        }
    }
}
