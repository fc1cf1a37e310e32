//! Credit of links: what was read and judged is given back to the reader, and held back while commits lag. So a flood becomes
//! lag at its sender, and what is not durable yet is bounded.

use crate::io::LinkId;

/// What is held back.
#[derive(Debug)]
pub struct Credit {
    /// Nothing is given back while more bytes than this are not committed.
    backlog: usize,
    /// By link, in order; bounded by what all links may have open at once.
    withheld: Vec<(LinkId, usize)>,
}

impl Credit {
    /// Holds back while more than so many bytes are not committed.
    #[must_use]
    pub const fn new(backlog: usize) -> Self {
        Self { backlog, withheld: Vec::new() }
    }

    /// A frame of so many bytes was judged. Whether its reader gets them back now.
    pub fn judged(&mut self, link: LinkId, bytes: usize, uncommitted: usize) -> bool {
        let now = uncommitted <= self.backlog;
        if !now {
            self.withheld.push((link, bytes));
        }
        now
    }

    /// So much is not committed now: what is given back, and to whom.
    pub fn committed(&mut self, uncommitted: usize) -> Vec<(LinkId, usize)> {
        if uncommitted <= self.backlog { core::mem::take(&mut self.withheld) } else { Vec::new() }
    }

    /// A link is gone.
    pub fn forget(&mut self, link: LinkId) {
        self.withheld.retain(|(of, _)| *of != link);
    }

    /// How much is held back: entries and bytes.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        let bytes = self.withheld.iter().map(|(_, bytes)| *bytes).fold(0, usize::saturating_add);
        (self.withheld.len(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_held_back_while_commits_lag_and_a_link_that_is_gone_gets_none() {
        let mut credit = Credit::new(100);
        assert!(credit.judged(LinkId(1), 10, 100));
        assert!(!credit.judged(LinkId(1), 20, 101));
        assert!(!credit.judged(LinkId(2), 30, 150));
        assert_eq!((credit.sizes(), credit.committed(101)), ((2, 50), Vec::new()));
        credit.forget(LinkId(1));
        assert_eq!(credit.committed(100), [(LinkId(2), 30)]);
        assert_eq!(credit.sizes(), (0, 0));
    }
}
