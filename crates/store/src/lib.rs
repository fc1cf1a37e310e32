//! The durable log on SQLite, and its in-memory twin behind the same trait.
//!
//! One row holds one bundle. Commits are made in groups by one [`Writer`] thread; readers have connections of their own. SQLite
//! keeps no page checksums, so every row carries a seal that is checked whenever the row is read. All seals are checked on opening
//! unless the file is as an orderly close left it.
//!
//! ```
//! use rumormill_store::{Durability, Kind, OpenConfig, Record};
//!
//! let config = OpenConfig { kind: Kind::Memory, durability: Durability::Normal, max_bytes: 0 };
//! let mut store = rumormill_store::open(&config)?;
//! assert!(store.recover()?.chains.is_empty());
//! store.commit(&[Record::Meta { key: "colour".into(), value: "green".into() }])?;
//! assert_eq!(store.recover()?.meta("colour").map(|value| &value[..]), Some(&b"green"[..]));
//! store.close()?;
//! # Ok::<(), rumormill_store::StoreError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod error;
mod memory;
mod merge;
mod row;
mod sqlite;
mod types;
mod writer;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use sqlite::{LOG_BYTES, SqliteStore};
pub use types::{
    BundleRow, ChainHead, Class, Damage, Durability, EVIDENCE_RESERVE, Entry, Kind, OpenConfig, OrderKey, RESERVE,
    Reader, Record, Recovered, Store,
};
pub use writer::{Job, QUEUE, QUEUE_BYTES, TrySubmitError, Writer};

/// Opens a store, or makes it if there is none.
///
/// # Errors
/// The file belongs to another node, cannot be made, or is of a newer version. Damage is no error: see
/// [`Recovered::damage`].
pub fn open(config: &OpenConfig) -> Result<Box<dyn Store>, StoreError> {
    Ok(match &config.kind {
        Kind::Memory => Box::new(MemoryStore::new(config.max_bytes)),
        Kind::Sqlite { path } => Box::new(SqliteStore::open(path, config.durability, config.max_bytes)?),
    })
}
