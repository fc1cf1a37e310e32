//! What legacy peers say all the time: `peerA_broadcast_0`, where the counter is hexadecimal.

use std::time::Duration;

use rumormill_limits::Timestamp;

/// When to say it next.
#[derive(Debug)]
pub(super) struct Chatter {
    every: Option<Duration>,
    next: Timestamp,
    counter: u64,
}

impl Chatter {
    /// The first comes after one period; none if there is no period.
    pub(super) fn new(now: Timestamp, every: Option<Duration>) -> Self {
        Self { every, next: now.after(every.unwrap_or_default()), counter: 0 }
    }

    /// Turns it on or off. The counter goes on.
    pub(super) fn set(&mut self, now: Timestamp, every: Option<Duration>) {
        *self = Self { counter: self.counter, ..Self::new(now, every) };
    }

    /// When there is something to say.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.every.map(|_| self.next)
    }

    /// What is to be said now, if anything. The counter grows even with nobody to hear it.
    pub(super) fn say(&mut self, now: Timestamp, name: &str) -> Option<String> {
        let every = self.every.filter(|_| now >= self.next)?;
        self.next = now.after(every);
        let text = format!("peer{name}_broadcast_{:x}", self.counter);
        self.counter = self.counter.saturating_add(1);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_in_hexadecimal_and_only_while_it_is_on() {
        let (s, at) = (Duration::from_secs, |n: u64| Timestamp(n * 1_000_000));
        let mut chatter = Chatter::new(at(0), Some(s(4)));
        let said: Vec<_> = (0..72).filter_map(|now| chatter.say(at(now), "A")).collect();
        assert_eq!((said.len(), said[0].as_str(), said[16].as_str()), (17, "peerA_broadcast_0", "peerA_broadcast_10"));
        chatter.set(at(72), None);
        assert_eq!((chatter.say(at(99), "A"), chatter.next_timeout()), (None, None));
        chatter.set(at(100), Some(s(4)));
        assert_eq!(
            (chatter.next_timeout(), chatter.say(at(104), "A").as_deref()),
            (Some(at(104)), Some("peerA_broadcast_11"))
        );
    }
}
