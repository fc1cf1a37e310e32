//! The engine and everybody who feeds it.
//!
//! The engine stands behind a mutex that is held for microseconds and never across a wait. Whoever has an input (a
//! link's reader, the timer, the store's callback, a person) feeds it and does at once what comes out: puts frames into
//! outboxes, hands records to the store's thread. Checks of signatures come back to the feeder, who does them without
//! the lock and feeds the verdict. So a message costs one task switch a hop, not four.

mod breach;
mod clocks;
mod commit;
mod compare_clocks;
mod drain;
mod due;
mod feed;
mod fence;
mod gone;
mod keep_lists;
mod last_words;
mod links;
mod lists;
mod neighbours;
mod news;
mod openings;
mod outputs;
mod peering;
mod state;
mod submit;
mod tell_due;

pub(crate) use commit::{INCARNATION_KEY, incarnation_record};
pub(crate) use fence::SoFar;
pub(crate) use last_words::{FIRST_LINKS, LAST_COMMIT, LAST_WORDS, LastWords};
pub(crate) use news::{Coming, FollowerEvent, News};
pub(crate) use state::{Driver, DriverParts};
