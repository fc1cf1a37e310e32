//! What the end-to-end tests share.
#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::new_without_default,
    clippy::len_without_is_empty,
    reason = "helpers of tests"
)]

mod built;
pub mod classroom_place;
pub mod counterpart;
pub mod hostile;
pub mod mallory;
pub mod menu_person;
pub mod modules;
pub mod nodes;
pub mod offered;
pub mod old_tls;
pub mod olds;
pub mod ports;
pub mod pty;
pub mod stalls;
pub mod ways;
