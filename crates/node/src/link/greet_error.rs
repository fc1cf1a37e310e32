//! Why a link ended before it was one.

use rumormill_limits::BAN;
use rumormill_peering::{Ended, Farewell, HelloError, Refusal, whole_seconds};
use rumormill_transport::LinkError;
use rumormill_wire::native::ByeCode;

use super::endings::of_link;

/// Why a link ended before it was one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("it ended before its HELLO; a node that refuses us says why in its own log")]
    Ended,
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl GreetError {
    /// Whether it broke the form, which no program that means well does.
    pub(crate) const fn is_breach(&self) -> bool {
        matches!(self, Self::Link(LinkError::Frame(_)) | Self::Refused(Refusal::Hello(HelloError::Broken)))
    }

    /// What the peer is told, if anything.
    pub(crate) fn farewell(&self) -> Option<Farewell> {
        let told = match self {
            Self::Link(LinkError::Frame(_)) => {
                Some(Farewell::new(ByeCode::PROTOCOL, "a frame of a length that no frame has"))
            }
            Self::Refused(why) => why.farewell(),
            _ => None,
        };
        let banned = |told| Farewell { retry_after_s: whole_seconds(BAN), ..told };
        if self.is_breach() { told.map(banned) } else { told }
    }
}

impl From<&GreetError> for Ended {
    fn from(error: &GreetError) -> Self {
        match error {
            GreetError::Refused(why) => Self::from(why),
            GreetError::Link(error) => of_link(error),
            GreetError::Ended => Self::refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::{MAX_FRAME_LEN, frame_len};

    use super::*;

    #[test]
    fn who_is_banned_hears_for_how_long_before_hello_too() {
        let wrong = u32::try_from(MAX_FRAME_LEN + 1).unwrap().to_be_bytes();
        let length = GreetError::Link(LinkError::Frame(frame_len(&wrong).unwrap_err()));
        let form = GreetError::Refused(Refusal::Hello(HelloError::Broken));
        for breach in [length, form] {
            let told = breach.farewell().unwrap();
            assert_eq!((told.code, told.retry_after_s), (ByeCode::PROTOCOL, whole_seconds(BAN)));
            assert!(u64::from(told.retry_after_s) >= BAN.as_secs());
        }
        let other = GreetError::Refused(Refusal::Hello(HelloError::Network));
        assert_eq!(other.farewell().unwrap().retry_after_s, 0, "nobody is banned for its network");
    }
}
