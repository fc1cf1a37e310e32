//! What the rooms share: one kind of time. It is a leaf: it uses nothing, and any room but `wire` may use it.
#![forbid(unsafe_code)]

mod time;

pub use time::Timestamp;
