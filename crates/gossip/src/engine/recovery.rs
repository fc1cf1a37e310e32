//! What neighbours said about our own chain before the first append.

/// Before its first append a node asks its neighbours what they have of its own chain.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    pub(super) over: bool,
    pub(super) started: bool,
    pub(super) neighbours: usize,
    pub(super) answered: usize,
    pub(super) ahead: bool,
    pub(super) highest: u64,
}

impl Recovery {
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}
