//! Which machine a frame is for, by its kind.

use rumormill_wire::native::{Bye, Frame, kind};

/// Whose a frame is that came over a link that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// To be answered with a PONG of the same number, by whoever has the link.
    Ping(u64),
    /// Nothing is to be done: that something came was all.
    Pong,
    /// The peer ends the link.
    Bye(Bye<'a>),
    /// The logs'; so is what breaks the form, and kinds that nobody knows yet. With the bytes that its sender's allowance is charged.
    Gossip {
        /// RUMOR frames alone cost some: all others are answered at once.
        charged: usize,
    },
}

/// Says whose a frame is, without its length.
#[must_use]
pub fn route(frame: &[u8]) -> Route<'_> {
    let first = frame.first().copied();
    if !matches!(first, Some(kind::PING | kind::PONG | kind::BYE)) {
        return Route::Gossip { charged: if first == Some(kind::RUMOR) { frame.len() } else { 0 } };
    }
    match Frame::decode(frame) {
        Ok(Frame::Ping(nonce)) => Route::Ping(nonce),
        Ok(Frame::Pong(_)) => Route::Pong,
        Ok(Frame::Bye(bye)) => Route::Bye(bye),
        _ => Route::Gossip { charged: 0 },
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::ByeCode;

    use super::*;

    fn bytes(frame: &Frame<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes).unwrap();
        bytes.split_off(4)
    }

    #[test]
    fn a_frame_goes_where_its_kind_says_and_what_is_broken_is_judged_by_gossip() {
        let bye = Bye { code: ByeCode::LEAVING, retry_after_s: 0, reason: "x".into() };
        assert_eq!(route(&bytes(&Frame::Ping(7))), Route::Ping(7));
        assert_eq!(route(&bytes(&Frame::Pong(7))), Route::Pong);
        assert_eq!(route(&bytes(&Frame::Bye(bye))), Route::Bye(bye));
        for frame in [&[kind::PING, 1][..], &[kind::BYE], &[200, 1, 2], &[]] {
            assert_eq!(route(frame), Route::Gossip { charged: 0 });
        }
        assert_eq!(route(&[kind::RUMOR, 0, 0]), Route::Gossip { charged: 3 });
    }
}
