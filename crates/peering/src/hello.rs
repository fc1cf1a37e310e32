//! The first frame of a peer (P-F6).

use rumormill_wire::NetworkId;
use rumormill_wire::native::{ByeCode, Frame, Hello, VERSION};

use crate::ended::{Ended, Said};

/// Why a first frame makes no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// A frame of another kind, in good form.
    #[error("its first frame is no HELLO")]
    NotHello,
    /// Bytes that are no frame: this bans the peer ([`rumormill_limits::BAN`]).
    #[error("its first frame breaks the form")]
    Broken,
    /// It names no version that we speak.
    #[error("it speaks versions {min} to {max}, we {VERSION}")]
    Version {
        /// The lowest version that the peer speaks.
        min: u16,
        /// The highest version that the peer speaks.
        max: u16,
    },
    /// It names another network.
    #[error("it belongs to another network")]
    Network,
    /// A BYE: the peer takes no link now.
    #[error("it said goodbye (code {})", .0.code.0)]
    Bye(Said),
}

impl HelloError {
    /// What the peer is told, if anything.
    #[must_use]
    pub const fn bye(&self) -> Option<(ByeCode, &'static str)> {
        match self {
            Self::NotHello => Some((ByeCode::PROTOCOL, "the first frame is HELLO")),
            Self::Broken => Some((ByeCode::PROTOCOL, "a frame that breaks the form")),
            Self::Version { .. } => Some((ByeCode::VERSION, "no common version")),
            Self::Network => Some((ByeCode::NETWORK, "another network")),
            Self::Bye(_) => None,
        }
    }
}

impl From<&HelloError> for Ended {
    fn from(error: &HelloError) -> Self {
        match error {
            HelloError::Bye(said) => Self::told(error.to_string(), said.clone()),
            _ => Self::refused(error.to_string()),
        }
    }
}

/// Judges the first frame of a peer by our network and version; its length is off already.
///
/// # Errors
/// It is no HELLO, or none that makes a link.
pub(crate) fn judge(first: &[u8], ours: NetworkId) -> Result<(), HelloError> {
    match Frame::decode(first) {
        Ok(Frame::Hello(hello)) if hello.network != ours => Err(HelloError::Network),
        Ok(Frame::Hello(Hello { min, max, .. })) if min > VERSION || max < VERSION => {
            Err(HelloError::Version { min, max })
        }
        Ok(Frame::Hello(_)) => Ok(()),
        Ok(Frame::Bye(bye)) => Err(HelloError::Bye(bye.into())),
        Ok(_) => Err(HelloError::NotHello),
        Err(_) => Err(HelloError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_judged_by_network_and_version() {
        let network = NetworkId([7; 32]);
        let hello = |min, max, network| {
            let hello = Hello { min, max, network, features: u32::MAX, name: "b".into(), agent: "".into() };
            let mut out = Vec::new();
            Frame::Hello(hello).encode(&mut out).unwrap();
            out.split_off(4)
        };
        assert_eq!(judge(&hello(1, 9, network), network), Ok(()), "the highest common version is ours");
        assert_eq!(judge(&hello(2, 9, network), network), Err(HelloError::Version { min: 2, max: 9 }));
        assert_eq!(judge(&hello(1, 1, NetworkId([8; 32])), network), Err(HelloError::Network));
        assert_eq!(judge(&[2, 0, 0, 0, 0, 0, 0, 0, 0], network), Err(HelloError::NotHello));
        assert_eq!(judge(b"\x01junk", network), Err(HelloError::Broken));
    }
}
