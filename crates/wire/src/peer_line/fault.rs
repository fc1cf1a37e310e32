//! What can be wrong with a line of the menu chat.

use crate::parse::Reason;

/// Bytes that are not what they should be. Carries nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct PeerLineError {
    /// Where the part begins that is wrong, counted from the start of what was parsed.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: PeerLineFault,
}

/// A value that has no form here. The output is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct PeerLineEncodeError(pub PeerLineFault);

/// What is wrong with a line, for programs and people. It quotes nothing of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PeerLineFault {
    /// The input ends inside a part.
    #[error("the input ends here too early")]
    Truncated,
    /// Something follows that does not belong there.
    #[error("something is left over")]
    Trailing,
    /// Longer than any message.
    #[error("the message is too long")]
    Length,
    /// No `IP:PORT` in its one form, or port 0.
    #[error("not an address with its port")]
    Address,
    /// A `<` without its `>`.
    #[error("`>` is missing")]
    Bracket,
    /// Nothing follows the address.
    #[error("there is no text")]
    NoText,
    /// A space or newline in a team, or a text without team that would read as one.
    #[error("not a team")]
    Team,
    /// A newline inside a message.
    #[error("a newline inside the message")]
    Newline,
    /// A control character in a text of the mesh.
    #[error("a control character in the text")]
    Control,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}

impl Reason for PeerLineFault {
    const TRUNCATED: Self = Self::Truncated;
}
