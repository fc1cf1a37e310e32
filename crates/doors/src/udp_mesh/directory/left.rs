//! Who left a moment ago. Its last text and its LEAVE come by two sockets, so the text may be read second (P-U7).

use std::net::SocketAddr;
use std::time::Duration;

use rumormill_limits::{Recent, Timestamp};

use super::member::Member;

/// Members that are remembered after they left, the latest.
const MAX_LEFT: usize = 1_024;
/// For so long a text is taken that was signed before its author left.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// A member that left, with what is left of its share of texts.
#[derive(Debug)]
struct Gone {
    member: Member,
    at: Timestamp,
    /// When it signed its LEAVE.
    time: u64,
}

/// Those who left, by where they took datagrams.
#[derive(Debug, Default)]
pub(super) struct Left(Recent<SocketAddr, Gone, MAX_LEFT>);

impl Left {
    /// A member has left, with a LEAVE signed at this time.
    pub(super) fn add(&mut self, now: Timestamp, member: Member, time: u64) {
        self.0.insert(member.addr, Gone { member, at: now, time });
    }

    /// Whose text comes from there that was signed at a time: that of who left a moment ago, but after that.
    pub(super) fn speaker_at(&mut self, now: Timestamp, from: SocketAddr, signed: u64) -> Option<&mut Member> {
        self.0.get(&from).filter(|gone| now < gone.at.after(LAST_WORDS) && signed < gone.time)?;
        self.0.touch(&from).map(|gone| &mut gone.member)
    }
}
