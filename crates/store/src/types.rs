//! What a store takes and gives.

use std::path::PathBuf;

use bytes::Bytes;
use rumormill_wire::native::{MessageKind, SignedHeader};
use rumormill_wire::{Clock, Digest, NodeId, Origin, Seq};

use crate::error::StoreError;

/// A bundle as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRow {
    /// The whole bundle: header, signature, messages.
    pub bytes: Bytes,
    /// When it came, in microseconds since the Unix epoch.
    pub received_us: u64,
}

/// One thing to commit.
#[derive(Debug, Clone)]
pub enum Record {
    /// A bundle; it must be the next of its chain.
    Bundle(BundleRow),
    /// A member's certificate.
    Member {
        /// The node that the certificate is for; one is kept for each.
        node: NodeId,
        /// The certificate in DER; empty where trust is pinned.
        evidence: Bytes,
    },
    /// An equivocation proof; replaces one of the same origin.
    Proof {
        /// The origin that signed both; one proof is kept for each.
        origin: Origin,
        /// The two signed headers.
        bytes: Bytes,
    },
    /// An equivocation proof is of no use any more.
    DropProof(Origin),
    /// A part of the revocation list; replaces one of the same place.
    Revocations {
        /// Its place in the list.
        place: u8,
        /// The part, as the CA signed it.
        bytes: Bytes,
    },
    /// A named value of the node's.
    Meta {
        /// The name of the value, which the store gives no meaning.
        key: String,
        /// The value, which replaces the one before of this name.
        value: Bytes,
    },
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain that ends so.
    pub origin: Origin,
    /// The number after the last message.
    pub next: Seq,
    /// Digest of the last bundle.
    pub head: Digest,
    /// The last bundle's signed header.
    pub head_signed: SignedHeader,
    /// Clock of the last message.
    pub last_clock: Clock,
    /// The lowest number kept.
    pub kept: Seq,
}

/// Something that was found broken, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file could not be used as it was; it was put aside and what could be read went to a new one.
    #[error("{} was damaged ({reason}); it is kept as {}, and what could be read was saved", path.display(), quarantine.display())]
    File {
        /// The file of the store.
        path: PathBuf,
        /// What SQLite or the check said.
        reason: String,
        /// Where the old file is now.
        quarantine: PathBuf,
    },
    /// A chain was cut at its first bad bundle.
    #[error("the chain of {origin} is kept up to {}; the rest is fetched from neighbours", kept.0.saturating_sub(1))]
    Chain {
        /// The chain that was cut.
        origin: Origin,
        /// The first number that is gone.
        kept: Seq,
    },
}

/// What a store knows when it is opened.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// All chains, in order of origin.
    pub chains: Vec<ChainHead>,
    /// All members and their certificates.
    pub members: Vec<(NodeId, Bytes)>,
    /// The proof of each origin that has one, as it was given.
    pub proofs: Vec<(Origin, Bytes)>,
    /// The parts of the revocation list in force.
    pub revocations: Vec<Bytes>,
    /// The node's named values, all of them.
    pub meta: Vec<(String, Bytes)>,
    /// What was found broken while it was opened, and what became of it; empty for a sound store.
    pub damage: Vec<Damage>,
    /// Whether it had been closed.
    pub clean: bool,
    /// Whether the machine was started anew since it was last open.
    pub boot_changed: bool,
    /// Bytes of all bundles.
    pub bytes: u64,
}

/// Bytes beyond the bound that are set aside for what is vital: the revocation list and the node's own values. The list has at
/// most 256 parts of 64 KiB, each of which replaces the one before; as much again is for the log and pages in use.
pub const RESERVE: u64 = 32 << 20;

/// Bytes of those for proofs of equivocation. There is one for each origin at most, of 356 bytes, and only where messages are
/// kept, so this is room for some 15,000. Without them a full node would show after a restart what all others have withdrawn.
pub const EVIDENCE_RESERVE: u64 = 8 << 20;

/// What a full store does with a record, the most needed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Kept in [`RESERVE`].
    Vital,
    /// Kept while there is room in [`EVIDENCE_RESERVE`].
    Evidence,
    /// Not kept: it comes again when there is room.
    Bulk,
}

impl Record {
    /// What a full store does with it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            // One that makes room is never in the way.
            Self::Revocations { .. } | Self::Meta { .. } | Self::DropProof(_) => Class::Vital,
            Self::Proof { .. } => Class::Evidence,
            Self::Bundle(_) | Self::Member { .. } => Class::Bulk,
        }
    }
}

/// The bound that this batch is held to.
pub(crate) fn bound(max_bytes: u64, batch: &[Record]) -> u64 {
    match max_bytes {
        0 => u64::MAX,
        most => most.saturating_add(match batch.iter().map(Record::class).max() {
            None | Some(Class::Vital) => RESERVE,
            Some(Class::Evidence) => EVIDENCE_RESERVE,
            Some(Class::Bulk) => 0,
        }),
    }
}

impl BundleRow {
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

impl Recovered {
    /// A named value.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&Bytes> {
        self.meta.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// The place of a message in the one order of all messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// What its author dated it; this decides first.
    pub clock: Clock,
    /// Between messages of one clock its author decides.
    pub origin: Origin,
    /// Its number, which is all that is left between messages of one author.
    pub seq: Seq,
}

/// One message of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands among all messages.
    pub key: OrderKey,
    /// Of which kind; kinds that are not shown come too.
    pub kind: MessageKind,
    /// The name of its room; empty is the common one.
    pub room: String,
    /// Its body as it was signed, up to 32,768 bytes.
    pub body: Vec<u8>,
    /// When its bundle came, in microseconds since the Unix epoch.
    pub received_us: u64,
}

/// How sure a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the disk before the commit returns.
    #[default]
    Full,
    /// Survives the end of the process; a power failure may take the last seconds.
    Normal,
}

/// Where a store keeps what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// In memory: gone with the process.
    Memory,
    /// In a file, with its log and index files beside it.
    Sqlite {
        /// The file, in a directory that is there.
        path: PathBuf,
    },
}

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConfig {
    /// Where it keeps what it is given.
    pub kind: Kind,
    /// What a commit survives; a store in memory survives nothing.
    pub durability: Durability,
    /// Most bytes that it takes, all tables, indexes and its log included; 0 is without bound. What is vital
    /// ([`Class::Vital`]) may go beyond by [`RESERVE`], proofs by [`EVIDENCE_RESERVE`].
    pub max_bytes: u64,
}

/// The writing side, of which there is one.
pub trait Store: Send {
    /// What it holds. What was found broken on opening is told until something is committed, even by those who open it
    /// later.
    ///
    /// # Errors
    /// The database cannot be read at all.
    fn recover(&mut self) -> Result<Recovered, StoreError>;

    /// Writes all or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then.
    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError>;

    /// A reading side, for another thread.
    ///
    /// # Errors
    /// The file cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Gives it up as it is, because its files are no longer those under their names: closing in order would write to, and
    /// remove, what lies there now. Nothing can be committed afterwards.
    fn abandon(&mut self);

    /// Closes it in order, so that it opens quickly the next time. Nothing can be committed afterwards.
    ///
    /// # Errors
    /// The last write failed; nothing that was committed is lost.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// The reading side. It sees what is committed.
pub trait Reader: Send {
    /// The bundle that holds `from`, and those after it that begin before `until`, up to about `max_bytes`, at least one if
    /// there is one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if one is no longer what was written.
    fn range(&mut self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Result<Vec<BundleRow>, StoreError>;

    /// At most `max` messages behind `after`, in the one order, of all that is committed by now; fewer only at the end.
    /// Going on where the last call ended is cheap. Memory follows how many bundles overlap in time, not how many there are.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a bundle is no longer what was written.
    fn page(&mut self, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError>;
}
