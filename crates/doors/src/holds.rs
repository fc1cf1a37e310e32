//! Letters that somebody is being given: nobody else is given them meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::lock;

/// Which letters are held, for all doors by which they are pulled. Each is one that waits, so there are no more than may wait.
#[derive(Debug, Clone, Default)]
pub struct Holds(Arc<Mutex<BTreeSet<u64>>>);

impl Holds {
    fn held(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        lock(&self.0)
    }

    /// Whether nobody holds it.
    #[must_use]
    pub fn is_free(&self, id: u64) -> bool {
        !self.held().contains(&id)
    }

    /// Holds it; `None` if somebody does.
    #[must_use]
    pub fn take(&self, id: u64) -> Option<Hold> {
        self.held().insert(id).then(|| Hold { id, of: self.clone() })
    }
}

/// While it lives, nobody else is given the letter; however its task ends, others are after.
#[derive(Debug)]
pub struct Hold {
    id: u64,
    of: Holds,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.of.held().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_one_holder_and_is_free_once_that_has_gone() {
        let holds = Holds::default();
        let one = holds.take(7).unwrap();
        assert!(holds.take(7).is_none() && !holds.is_free(7) && holds.is_free(8));
        drop(one);
        assert!(holds.is_free(7) && holds.take(7).is_some());
    }
}
