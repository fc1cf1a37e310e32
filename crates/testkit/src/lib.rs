//! The code that the end-to-end tests share, compiled once: networks of real nodes ([`nodes`]), users and programs of the
//! legacy protocols ([`counterparts`]), hostile members, ports that no other test uses, and waiting with deadlines.
//!
//! For tests only: packages name it under `[dev-dependencies]`, and `tests/walls.rs` fails if a library uses it. The programs that
//! it starts are those of `rumormill-client`, so tests that start any belong to that package: cargo then builds the programs first.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test ends where something is not as it should be, and what it prints is shown then"
)]

mod built;
pub mod classroom_place;
pub mod counterpart;
pub mod counterparts;
pub mod executable;
pub mod frames;
pub mod hostile;
pub mod legacy;
pub mod mallory;
pub mod menu_person;
pub mod modules;
pub mod nodes;
pub mod offered;
pub mod old_tls;
pub mod ports;
pub mod pty;
pub mod stalls;
pub mod talk;
pub mod wait;
pub mod ways;
