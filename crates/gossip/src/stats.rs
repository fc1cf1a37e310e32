//! Counters of an engine; every bound has one that says when it held.

/// Counts since the start. Names are the metric names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bundles that passed through a full store without being kept.
    pub bundles_passed: u64,
    /// Times a bundle that was to pass was left out for want of room.
    pub passing_full: u64,
    /// Own messages that were taken and could not be written.
    pub own_not_written: u64,
    /// Times so many origins waited for one STATUS that a comparison took its place.
    pub status_overflow: u64,
    /// Times what a neighbour has or lacks was more than is remembered.
    pub differences_overflow: u64,
    /// Bundles of others accepted into their chains.
    pub bundles_accepted: u64,
    /// Messages in those bundles.
    pub messages_accepted: u64,
    /// Messages of our own made durable.
    pub messages_own: u64,
    /// Messages received that were there already.
    pub messages_duplicate: u64,
    /// Bundles dropped because they start beyond what we want.
    pub bundles_gap: u64,
    /// Bundles dropped because their author's certificate has not come.
    pub bundles_unadmitted: u64,
    /// Bundles dropped because too many were being checked.
    pub bundles_check_full: u64,
    /// Bundles dropped because their author is over its rate.
    pub bundles_over_quota: u64,
    /// Bundles dropped because their author goes over its pace; they are asked for a moment later.
    pub bundles_paced: u64,
    /// Bundles dropped from or beyond a fork or a cut.
    pub bundles_withdrawn: u64,
    /// Bundles dropped because their clock does not rise above the one before them.
    pub bundles_set_back: u64,
    /// Bundles that did not hold.
    pub bundles_invalid: u64,
    /// Bundles whose clock was too far ahead for ours to follow it.
    pub clocks_not_followed: u64,
    /// Those of them that end too far ahead to be shown yet.
    pub clocks_ahead: u64,
    /// Equivocation proofs taken, those that lower a place among them.
    pub proofs: u64,
    /// Proofs dropped because nothing here needs them.
    pub proofs_vain: u64,
    /// Proofs held back because the places of their author fall too often.
    pub proofs_over_quota: u64,
    /// Proofs not sent because the neighbour got many already; the next comparison offers them again.
    pub proofs_unsent: u64,
    /// Certificates dropped because too many were being checked.
    pub certificates_full: u64,
    /// Certificates that took the place of another of the same node.
    pub certificates_replaced: u64,
    /// Searches for the place of a fork not begun because too many were under way.
    pub searches_full: u64,
    /// Parts of the revocation list that came into force.
    pub revocation_parts: u64,
    /// Parts received that were in force already.
    pub revocations_known: u64,
    /// Parts received where trust is pinned, which nobody here can judge.
    pub revocations_void: u64,
    /// STATUS frames sent.
    pub status_sent: u64,
    /// STATUS frames received.
    pub status_received: u64,
    /// RUMOR frames given to links.
    pub rumors_sent: u64,
    /// Comparisons that found no difference.
    pub syncs_equal: u64,
    /// Comparisons that found one.
    pub syncs_differ: u64,
    /// Times a link's cursors were too many.
    pub cursor_overflow: u64,
    /// Times a new origin was not taken for want of room.
    pub origins_full: u64,
    /// Replies not sent because the peer does not read.
    pub replies_dropped: u64,
    /// Times a neighbour that has had its share of answers had to wait for more.
    pub answers_over: u64,
    /// Links that began with less than all at no charge, because their node comes again and again.
    pub links_not_fresh: u64,
    /// RANGE requests dropped: too many of their link wait, or their node has had its share.
    pub ranges_dropped: u64,
    /// Own submissions refused because too many wait.
    pub submit_busy: u64,
    /// Peers that broke the protocol.
    pub misbehaviour: u64,
    /// Times a reader was held back because commits lag.
    pub backlog_held: u64,
    /// Mongering rounds begun: neighbours that were given something new and asked for a STATUS.
    pub monger_rounds: u64,
    /// Mongering rounds that ended by time-out.
    pub monger_timeouts: u64,
    /// Neighbours now that did not answer a round in time and have answered nothing since: they are chosen last.
    pub monger_silent: u64,
}

/// What is done with every counter, in the order of metrics.
macro_rules! each_counter {
    ($do:ident) => {
        $do![
            bundles_accepted,
            bundles_passed,
            passing_full,
            own_not_written,
            status_overflow,
            differences_overflow,
            messages_accepted,
            messages_own,
            messages_duplicate,
            bundles_gap,
            bundles_unadmitted,
            bundles_check_full,
            bundles_over_quota,
            bundles_paced,
            bundles_withdrawn,
            bundles_set_back,
            bundles_invalid,
            clocks_not_followed,
            clocks_ahead,
            proofs,
            proofs_vain,
            proofs_over_quota,
            proofs_unsent,
            certificates_full,
            certificates_replaced,
            searches_full,
            revocation_parts,
            revocations_known,
            revocations_void,
            status_sent,
            status_received,
            rumors_sent,
            syncs_equal,
            syncs_differ,
            cursor_overflow,
            origins_full,
            replies_dropped,
            answers_over,
            links_not_fresh,
            ranges_dropped,
            submit_busy,
            misbehaviour,
            backlog_held,
            monger_rounds,
            monger_timeouts,
            monger_silent,
        ]
    };
}

impl Stats {
    /// Every counter with its name, for metrics.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        macro_rules! list { ($($f:ident),* $(,)?) => { vec![$((stringify!($f), self.$f)),*] } }
        each_counter!(list)
    }

    /// What was counted in two places, together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        macro_rules! sum { ($($f:ident),* $(,)?) => { Self { $($f: self.$f.saturating_add(other.$f)),* } } }
        each_counter!(sum)
    }
}

/// One link, for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Messages that we have and the neighbour did not say that it has: those that it does not want now among them, and those
    /// that are on their way.
    pub lag: u64,
    /// Messages that the neighbour said it has and we do not: those that we do not take now among them.
    pub behind: u64,
    /// Nothing is missing on either side that was known two seconds ago.
    pub in_sync: bool,
    /// Why something is missing, or may be.
    pub why: Option<Why>,
    /// Bytes that may still be given to the link now.
    pub window: usize,
    /// The number of the neighbour's revocation list, by its own word.
    pub revocations: Option<u64>,
}

/// Why two neighbours do not have the same. Of several reasons, the last of this list is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// What differs is on its way.
    CatchingUp,
    /// A moment ago the neighbour said that it lacks what it should have had, or took back what it had said.
    Wavers,
    /// The neighbour has not said that it has it.
    Unacked,
    /// They have not compared to the end yet.
    NotCompared,
    /// The neighbour was asked what it has and does not answer.
    NoAnswer,
    /// More differs than is remembered: a comparison has to find the rest.
    TooMany,
    /// The neighbour has had its share of answers: it has to wait for more.
    OverShare,
    /// Our store could not be read.
    StoreUnread,
    /// The neighbour says that a chain ends earlier than it does here, or has another head, and has not proven it.
    Disputed,
    /// The author's certificate has not come.
    NotAdmitted,
    /// The author goes over its pace here: it is taken in a moment.
    OverPace,
    /// The author is over its rate here.
    OverRate,
    /// The author's next message is not of the order of its clock: it can never be taken.
    SetBack,
    /// There is no place for another origin here.
    NoPlace,
    /// The neighbour does not want it now: its store is full, or the author is over its rate there.
    HeldByPeer,
    /// Our store is full.
    StoreFull,
}

impl Why {
    /// The word for programs; docs/operations.md lists them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Wavers => "neighbour-wavers",
            Self::Unacked => "unacked",
            Self::NotCompared => "not-compared",
            Self::NoAnswer => "no-answer",
            Self::TooMany => "too-many-differences",
            Self::OverShare => "neighbour-over-share",
            Self::StoreUnread => "store-unread",
            Self::Disputed => "end-disputed",
            Self::NotAdmitted => "author-not-admitted",
            Self::OverPace => "author-over-pace",
            Self::OverRate => "author-over-rate",
            Self::SetBack => "author-set-back",
            Self::NoPlace => "no-place-for-origin",
            Self::HeldByPeer => "held-by-peer",
            Self::StoreFull => "store-full",
        }
    }
}

/// Adds to a counter; it stops at the top rather than go round.
pub(crate) const fn bump(counter: &mut u64, by: u64) {
    *counter = counter.saturating_add(by);
}
