//! Why the local CA did not do what was asked, and what to do then.

use std::path::PathBuf;

use rumormill_wire::NodeId;

use crate::clock::BadClock;
use crate::files::FileError;
use crate::identity::IdentityError;
use crate::revocation::BadList;
use crate::way_out;

/// Why the CA could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An identity that is there does not load.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A CA is there already.
    #[error("{} holds a CA already; it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// There is no CA in this home.
    #[error("no CA in {}; make one with `rumormill certs init`", .0.display())]
    Missing(PathBuf),
    /// A file of the CA is not what it should be.
    #[error("{} is not {what}", path.display())]
    Content {
        /// The file that is not.
        path: PathBuf,
        /// What the file was expected to hold.
        what: &'static str,
        /// What to do about it, in words for people.
        way: &'static str,
    },
    /// That can be no node's name.
    #[error(
        "{0:?} is no node name: small letters, digits and '-', 1 to 63 of them, with a letter or digit at both ends"
    )]
    Name(String),
    /// Another node has this name.
    #[error(
        "the name {name:?} is taken by node {node}; give the directory that has its key, or revoke that node first"
    )]
    Taken {
        /// The name that was asked for.
        name: String,
        /// The node that has it, by what was issued here.
        node: NodeId,
    },
    /// The key has another name.
    #[error("the key in {} is of node {node}, which has the name {other:?}: names would differ from reader to reader; give a directory without a key", path.display())]
    Named {
        /// Where the key lies.
        path: PathBuf,
        /// The node of that key.
        node: NodeId,
        /// The name it has.
        other: String,
    },
    /// No such node was issued here.
    #[error("no certificate for {0:?} was issued here; give the node id in full")]
    Unknown(String),
    /// The revocation list is full or its form broken.
    #[error("revocation list: {0}")]
    Revocations(String),
    /// The list of this home is gone, or an old copy: nodes would not take what is made from it.
    #[error("{} has list {has}, but {sign}: it is lost, or an old copy", path.display())]
    ListLost {
        /// Where the list in force should lie.
        path: PathBuf,
        /// The number of the one there; 0 for none.
        has: u64,
        /// By what one sees it.
        sign: String,
    },
    /// What lies where the list of this home should be is none of this CA's.
    #[error("{}: {why}", path.display())]
    ListDamaged {
        /// The file of the list; it is not changed.
        path: PathBuf,
        /// Which rule of the list's form, or whose signature, it breaks.
        why: BadList,
    },
    /// The file that says whether the list of this home is the last says nothing.
    #[error("{} is not the number of a revocation list, so that nobody can say whether list {has} of this home is the last", path.display())]
    NumberDamaged {
        /// The file of the number.
        path: PathBuf,
        /// The number of the list there; 0 for none.
        has: u64,
    },
    /// The key where the certificate would go is revoked.
    #[error("the key {} is of node {node}, which is revoked: it gets no certificate, and is not replaced unasked", path.display())]
    RevokedKey {
        /// Where the key lies.
        path: PathBuf,
        /// The node of that key.
        node: NodeId,
    },
    /// Where a revoked key would be kept there is something else.
    #[error("{} is not the revoked key that would be kept there", .0.display())]
    NotTheKey(PathBuf),
    /// The time. Nothing was made.
    #[error("{0}; nothing was made")]
    Clock(#[from] BadClock),
    /// The key generator or signer failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Neither of the variables that name a home is set.
    #[error("no home directory: set RUMORMILL_HOME, XDG_STATE_HOME or HOME")]
    NoHome,
}

impl CaError {
    /// Whether it was asked for wrongly: a name that is none, of nobody, a home without a CA, or a file for a directory.
    #[must_use]
    pub fn is_asked_wrongly(&self) -> bool {
        match self {
            Self::Name(_) | Self::Unknown(_) | Self::Missing(_) => true,
            Self::File(why) => why.is_no_directory(),
            _ => false,
        }
    }
}

impl CaError {
    /// What to do about it, where there is one thing to do whatever was asked for.
    #[must_use]
    pub const fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::Clock(_) => Some(way_out::CLOCK),
            Self::Content { way, .. } => Some(way),
            Self::Identity(why) => why.way_out(),
            Self::ListLost { .. } | Self::ListDamaged { .. } => Some(way_out::LIST),
            Self::NumberDamaged { .. } => Some(way_out::NUMBER),
            _ => None,
        }
    }

    /// Whether the list of this home may not be the last, so that nothing can be made from it.
    #[must_use]
    pub const fn is_list_lost(&self) -> bool {
        matches!(self, Self::ListLost { .. } | Self::ListDamaged { .. } | Self::NumberDamaged { .. })
    }
}
