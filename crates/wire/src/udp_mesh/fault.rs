//! What can be wrong with a datagram of the UDP mesh.

use crate::parse::Reason;

/// Bytes that are not what they should be. Carries nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct UdpMeshError {
    /// Where the part begins that is wrong, counted from the start of the datagram.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: UdpMeshFault,
}

/// A value that has no form here. The output is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct UdpMeshEncodeError(pub UdpMeshFault);

/// What is wrong with a datagram, for programs and people. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UdpMeshFault {
    /// The datagram ends inside a part.
    #[error("the datagram ends here too early")]
    Truncated,
    /// Something follows that does not belong there.
    #[error("something is left over")]
    Trailing,
    /// Longer than a datagram can be.
    #[error("longer than a datagram can be")]
    TooLong,
    /// Not a known kind.
    #[error("not a known kind of datagram")]
    Kind,
    /// Not one printable ASCII character, or not a name of the extended form.
    #[error("not a name")]
    Name,
    /// Port 0.
    #[error("port 0")]
    Port,
    /// A name that stands twice in one directory.
    #[error("a name stands twice")]
    Twice,
    /// A NUL inside a text.
    #[error("a NUL inside the text")]
    Nul,
    /// No NUL behind a text.
    #[error("no NUL behind the text")]
    NoNul,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Not an address in its one form.
    #[error("not an address in its one form")]
    Address,
    /// A byte that says which form follows is none of those there are.
    #[error("not a known form")]
    Form,
    /// A count or an offset does not fit what it counts.
    #[error("a count that does not fit")]
    Count,
}

impl Reason for UdpMeshFault {
    const TRUNCATED: Self = Self::Truncated;
}
