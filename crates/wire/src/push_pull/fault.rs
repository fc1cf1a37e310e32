//! What can be wrong with a request, a reply, an item or a frame of the older form.

use crate::parse::Reason;

/// Bytes that are not what they should be. Carries nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct PushPullError {
    /// Where the part begins that is wrong, counted from the start of what was parsed.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: PushPullFault,
}

/// A value that has no form here. The output is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct PushPullEncodeError(pub PushPullFault);

/// What is wrong with a request, a reply, an item or a frame. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PushPullFault {
    /// The input ends inside a part.
    #[error("the input ends here too early")]
    Truncated,
    /// Something follows that does not belong there.
    #[error("something is left over")]
    Trailing,
    /// Longer than any request.
    #[error("the request is too long")]
    RequestLength,
    /// Longer than any item.
    #[error("the item is too long")]
    ItemLength,
    /// Longer than any body.
    #[error("the contents are too long")]
    ContentsLength,
    /// Not the word that begins it.
    #[error("does not begin as it should")]
    Verb,
    /// ` MSG:` is missing.
    #[error("` MSG:` is missing")]
    NoContents,
    /// An address is empty, too long, or holds ` MSG:` or a control character.
    #[error("not an address")]
    Address,
    /// A newline inside a request.
    #[error("a newline inside the request: it is one line")]
    Newline,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Neither SUCCESS nor FAIL.
    #[error("neither SUCCESS nor FAIL")]
    Reply,
    /// Not a number in its shortest form, or too high.
    #[error("not a number in its shortest form, or too high")]
    Number,
    /// The length of a frame is not a number, or out of bounds.
    #[error("not a frame length, or out of bounds")]
    FrameLength,
    /// A `|` is missing.
    #[error("`|` is missing")]
    Bar,
    /// The code of a frame is not four of `0` to `9` and `A` to `F`.
    #[error("not a frame code")]
    Code,
}

impl Reason for PushPullFault {
    const TRUNCATED: Self = Self::Truncated;
}
