//! What is wrong with a line, in words.

use core::fmt;

use crate::parse::Reason;

pub(super) type Parse<'a, T> = crate::parse::Parse<'a, T, ClassroomFault>;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassroomFault {
    /// It ends too early.
    Truncated,
    /// It goes on where it should end.
    Trailing,
    /// It is longer than [`MAX_LINE_LEN`](super::MAX_LINE_LEN).
    TooLong,
    /// It is not UTF-8.
    Utf8,
    /// A line end inside a line: a newline or a carriage return.
    LineEnd,
    /// A text begins or ends with a blank, which no line can say.
    Blank,
    /// Not a number in its one form, or too large.
    Number,
    /// A message id is not an integer.
    MessageId,
    /// No command of this interface.
    Command,
    /// Not a port: 0, or above 65,535.
    Port,
    /// The id is not below n, or n is zero.
    IdRange,
    /// The message is empty.
    NoMessage,
}

impl Reason for ClassroomFault {
    const TRUNCATED: Self = Self::Truncated;
}

impl fmt::Display for ClassroomFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the line ends too early",
            Self::Trailing => "the line goes on where it should end",
            Self::TooLong => "the line is longer than 65,536 bytes",
            Self::Utf8 => "the line is not UTF-8",
            Self::LineEnd => "a line end inside the line",
            Self::Blank => "the text begins or ends with a blank",
            Self::Number => "expected a decimal number without leading zeros",
            Self::MessageId => "expected an integer as message id",
            Self::Command => "expected start, msg, get chatLog, crash or exit",
            Self::Port => "expected a port, 1 to 65535",
            Self::IdRange => "expected an id below n",
            Self::NoMessage => "expected a message",
        })
    }
}

/// A line that does not parse, or a value that has no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct ClassroomError {
    /// Where the fault begins.
    pub offset: usize,
    /// What is wrong there.
    pub reason: ClassroomFault,
}
