//! Why a link does not come up.

use core::time::Duration;

use rumormill_wire::native::ByeCode;

use crate::ended::Ended;
use crate::hello::HelloError;

const BANNED: &str = "banned for a while";
const LEAVING: &str = "the node shuts down";
const KEPT: &str = "the places left are kept for named neighbours";
const FULL: &str = "no room for another link";
/// What a link is told that ends for another one with the same peer, or does not come up for it.
pub(crate) const DUPLICATE: Farewell = Farewell::new(ByeCode::DUPLICATE, "another link with this peer is kept");

/// What a BYE says (P-F8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// The reason as a number of docs/protocol.md, P-F8.
    pub code: ByeCode,
    /// The reason in words, for the log of the peer.
    pub reason: &'static str,
    /// In seconds, how long the peer need not come back; 0 says nothing.
    pub retry_after_s: u16,
}

impl Farewell {
    /// One that says nothing of coming back.
    #[must_use]
    pub const fn new(code: ByeCode, reason: &'static str) -> Self {
        Self { code, reason, retry_after_s: 0 }
    }
}

/// Why a link does not come up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// By the first frame of the peer.
    #[error("{0}")]
    Hello(#[from] HelloError),
    /// The peer did not say HELLO within this time.
    #[error("no HELLO within {0:?}")]
    NoHello(Duration),
    /// The peer has our own key.
    #[error("it is this node itself")]
    Ourselves,
    /// The peer is banned for so much longer.
    #[error("{BANNED}")]
    Banned(Duration),
    /// This node stops.
    #[error("{LEAVING}")]
    Leaving,
    /// Another link with the same peer stays.
    #[error("{}", DUPLICATE.reason)]
    Duplicate,
    /// What is free is kept for named neighbours.
    #[error("{KEPT}")]
    Kept,
    /// All places are taken.
    #[error("{FULL}")]
    Full,
}

impl Refusal {
    /// What the peer is told, if anything.
    #[must_use]
    pub fn farewell(&self) -> Option<Farewell> {
        Some(match self {
            Self::Hello(error) => {
                let (code, reason) = error.bye()?;
                Farewell::new(code, reason)
            }
            Self::NoHello(_) => Farewell::new(ByeCode::IDLE, "no HELLO"),
            Self::Ourselves => Farewell::new(ByeCode::DUPLICATE, "this is your own node"),
            Self::Banned(left) => {
                let retry_after_s = whole_seconds(*left);
                Farewell { retry_after_s, ..Farewell::new(ByeCode::MISBEHAVIOUR, BANNED) }
            }
            Self::Leaving => Farewell::new(ByeCode::LEAVING, LEAVING),
            Self::Duplicate => DUPLICATE,
            Self::Kept => Farewell::new(ByeCode::OVERLOAD, KEPT),
            Self::Full => Farewell::new(ByeCode::OVERLOAD, FULL),
        })
    }
}

impl From<&Refusal> for Ended {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Hello(error) => Self::from(error),
            Refusal::Leaving | Refusal::NoHello(_) => Self::passing(refusal.to_string()),
            Refusal::Duplicate => Self { duplicate: true, ..Self::refused(refusal.to_string()) },
            _ => Self::refused(refusal.to_string()),
        }
    }
}

/// For a BYE: whole seconds, the last one begun counts.
#[must_use]
pub fn whole_seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs().saturating_add(1)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::Bye;

    use super::*;

    #[test]
    fn a_second_link_is_told_from_other_refusals_on_both_sides() {
        let bye = |code| Ended::by(Bye { code, retry_after_s: 0, reason: "no".into() });
        assert!(bye(ByeCode::DUPLICATE).duplicate && !bye(ByeCode::MISBEHAVIOUR).duplicate);
        let here = |refusal| Ended::from(&refusal);
        assert!(here(Refusal::Duplicate).duplicate && here(Refusal::Duplicate).refused);
        assert!(!here(Refusal::Kept).duplicate && here(Refusal::Kept).refused);
        assert!(!here(Refusal::Leaving).refused && !here(Refusal::NoHello(Duration::ZERO)).refused);
        assert!(!here(Refusal::Ourselves).duplicate, "no link with that peer is up");
    }

    #[test]
    fn who_is_banned_is_told_for_how_long() {
        let told = |s| Refusal::Banned(Duration::from_secs(s)).farewell().unwrap().retry_after_s;
        assert_eq!((told(0), told(59), told(1 << 20)), (1, 60, u16::MAX));
    }
}
