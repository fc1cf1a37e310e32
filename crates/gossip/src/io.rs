//! What goes into the engine and what comes out of it.
//!
//! The driver's contract stands in front of the [crate].

use std::sync::Arc;

use bytes::Bytes;
/// The wall clock is this plus the offset of [`Input::WallOffset`].
pub use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::native::{ByeCode, InvalidMessage, ListPart, MessageKind};
use rumormill_wire::{Clock, NodeId, Origin, Seq};

use crate::bundle::{Invalid, RawBundle, VerifiedBundle};
use crate::members::{Checked, Evidence};
use crate::proof::{RawProof, VerifiedProof};
use crate::revocation::Revocations;

/// Names a submitted message until it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names one bundle on its way through the verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// Whether an author belongs to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its certificate holds.
    Admitted,
    /// A certificate of its own is being checked: its bundles wait for that.
    Pending,
    /// Nobody has vouched for it yet.
    Unknown,
}

/// Whose word about our own chain is waited for at a start (docs/protocol.md, P-S11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nobody's: our chain is new, and no other life of ours can have used its incarnation.
    Nobody,
    /// All who have a link within [`EngineConfig::recovery_us`](crate::EngineConfig::recovery_us). The wait ends sooner once so many
    /// different nodes that people named have had their word; where none is named, whoever knows us has all that time.
    Neighbours(usize),
}

/// What happened, told to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// The wall clock is the monotone time plus this many microseconds. Given once before all else, and when it steps.
    WallOffset(i64),
    /// The node starts. The engine holds back its own first bundle until it has heard what others know of its origin.
    Start(Ask),
    /// A link is up: mutually authenticated, HELLO exchanged, the peer's membership checked.
    LinkUp {
        /// Its name, which no link had before.
        link: LinkId,
        /// Who is at the other end, by its certificate.
        peer: NodeId,
        /// Whether people named this neighbour: of what others say of our own chain at a start, its word is waited for.
        named: bool,
    },
    /// A link is gone. Nothing more comes from it.
    LinkDown {
        /// Its name, as of [`Input::LinkUp`].
        link: LinkId,
    },
    /// A frame (kind and payload, without its length) other than HELLO, PING, PONG and BYE.
    Frame {
        /// The link that it came over.
        link: LinkId,
        /// The bytes of exactly one frame. A bundle in it is kept without copying.
        bytes: Bytes,
    },
    /// So many bytes given with [`Output::Send`] or [`Output::SendBundle`] have left for the peer.
    Writable {
        /// The link that they left on.
        link: LinkId,
        /// Bytes of what was given, 6 for the head of a RUMOR among them.
        bytes: usize,
    },
    /// So many bytes at most are to be on their way to the peer from now on, given and not yet said to have left. At first it is
    /// [`crate::EngineConfig::link_window`]. What is on its way already stays.
    Window {
        /// The link.
        link: LinkId,
        /// Bytes. What answers the peer may go over it, by as much again.
        bytes: usize,
    },
    /// The answer to [`Output::Verify`].
    Verified {
        /// As of [`Output::Verify`].
        check: CheckId,
        /// What [`crate::verify`] gave.
        verdict: Result<Arc<VerifiedBundle>, Invalid>,
    },
    /// The answer to [`Output::CheckMember`].
    MemberVerdict {
        /// The link that sent it.
        link: LinkId,
        /// The node that it was checked for.
        node: NodeId,
        /// As of [`Output::CheckMember`].
        evidence: Bytes,
        /// What became of it.
        verdict: Checked,
    },
    /// The answer to [`Output::CheckProof`].
    ProofVerdict {
        /// The link that sent it.
        link: LinkId,
        /// The proof, if it holds.
        verdict: Option<Box<VerifiedProof>>,
    },
    /// A node belongs to the network (own certificate, pin file, peer of a link). `evidence` is what others need to
    /// admit it: its certificate, or nothing where trust is pinned.
    Admit {
        /// The node, which is from now on taken as an author.
        node: NodeId,
        /// Its certificate; may be empty with pinned trust.
        evidence: Evidence,
    },
    /// A part of the CA's revocation list whose signature the driver has checked: from a file, or the answer to
    /// [`Output::CheckRevocations`]. It counts once it is kept.
    Revoked {
        /// The link that it came over; none for a file.
        link: Option<LinkId>,
        /// Decoded; its place and number say what it replaces.
        part: Arc<ListPart>,
    },
    /// A part of the revocation list that was given with [`Persist::Revocations`] is durable: now it counts.
    RevocationsKept {
        /// As it was given to be kept.
        part: Arc<ListPart>,
    },
    /// The answer to [`Output::CheckRevocations`] where the signature does not hold.
    RevocationsRefused {
        /// The link that sent it.
        link: LinkId,
    },
    /// The answer to [`Output::CheckRevocations`] where trust is pinned: no signature of a CA can be judged.
    RevocationsVoid {
        /// The link that sent it.
        link: LinkId,
    },
    /// Write a message of our own. Refused with [`Reject::Busy`] when too many wait.
    Submit {
        /// Named in [`Event::Durable`].
        ticket: Ticket,
        /// Not 0 (P-B5); others than those named there are carried and not shown.
        kind: MessageKind,
        /// Which room; empty for the common one.
        room: String,
        /// At most 32,768 bytes (P-B1), UTF-8 where the kind is a text's.
        body: Bytes,
    },
    /// All records given up to and including this append (counted from 1) are committed.
    Committed {
        /// How many [`Output::Append`] are durable.
        appends: u64,
    },
    /// The node is about to end: what it wrote goes to all neighbours that were not given it yet, whatever way it spreads.
    Leaving,
    /// The store takes no more: none of the appends that are not yet reported as committed ever will be, own messages are
    /// refused from here on, and those of others pass without being kept.
    StoreFull,
    /// The answer to [`Output::ReadRange`]. Nothing of it has left: the engine counts it and gives it to the link.
    RangeRead {
        /// As of [`Output::ReadRange`], as the origin is.
        link: LinkId,
        /// The chain that was read.
        origin: Origin,
        /// What the store has of the range, in order.
        bundles: Vec<RawBundle>,
    },
    /// The answer to [`Output::LookUp`].
    LookedUp {
        /// As of [`Output::LookUp`], as the number is.
        origin: Origin,
        /// The number asked for.
        at: Seq,
        /// The bundle that holds it.
        bundle: Option<RawBundle>,
    },
    /// Time has come to what [`crate::Engine::next_timeout`] said, or simply passed.
    Timeout,
}

/// Why an input was not taken. Nothing changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The driver's fault: it named a link that is not up.
    #[error("no such link")]
    UnknownLink,
    /// The driver's fault: time went back.
    #[error("time went back")]
    TimeWentBack,
    /// The caller's fault: this can be no message.
    #[error("not a message: {0}")]
    Invalid(InvalidMessage),
    /// Nobody's fault: too many messages of ours wait; try again when some are durable.
    #[error("too many messages wait to be written; try again")]
    Busy,
    /// The store takes no more.
    #[error("the store is full: this node keeps no more messages; start it with a larger store-max")]
    StoreFull,
    /// The network took this node's certificate back.
    #[error("this node's certificate is revoked: no other node would take its messages")]
    Revoked,
    /// The node leaves before it knows under which incarnation it may write.
    #[error("the node is stopping")]
    Leaving,
}

/// What the driver has to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send these bytes, a whole frame with its length.
    Send {
        /// The link that it is for.
        link: LinkId,
        /// Length, kind and payload; counted by the engine until [`Input::Writable`] says that it left.
        frame: Bytes,
    },
    /// Send a bundle in a RUMOR frame.
    SendBundle {
        /// The link that it is for.
        link: LinkId,
        /// The bundle; it was checked when it came.
        bundle: RawBundle,
        /// RUMOR flag: STATUS wanted.
        want_status: bool,
        /// RUMOR flag: it answers a RANGE.
        answers_range: bool,
    },
    /// Read bundles from the store, from the one that holds `from` on, up to `until` or `max_bytes` (at least one if
    /// there is one), and answer with [`Input::RangeRead`]. One at a time for a link.
    ReadRange {
        /// The link that it is read for, to be named in the answer.
        link: LinkId,
        /// The chain to read.
        origin: Origin,
        /// First number that is wanted; the bundle that holds it may begin before.
        from: Seq,
        /// First number not wanted.
        until: Seq,
        /// Stop after so many bytes.
        max_bytes: usize,
    },
    /// So many bytes of RUMOR frames of this link have been judged: its reader may take as many more. The reader
    /// stops while more than its allowance is unjudged, and so a flood becomes lag at the sender.
    Credit {
        /// The link whose reader may go on.
        link: LinkId,
        /// Bytes of frames, as they were fed in.
        bytes: usize,
    },
    /// Read one bundle of the store, the one that holds `at`; the answer is [`Input::LookedUp`].
    LookUp {
        /// The chain to look in.
        origin: Origin,
        /// A number in it.
        at: Seq,
    },
    /// Check a bundle with [`crate::verify`], away from the engine's task.
    Verify {
        /// To be named in [`Input::Verified`].
        check: CheckId,
        /// Its head was read, and nothing more.
        raw: RawBundle,
    },
    /// Check a member's certificate against the CA.
    CheckMember {
        /// The link that sent it.
        link: LinkId,
        /// The node that it has to be for.
        node: NodeId,
        /// The certificate in DER.
        evidence: Bytes,
        /// The one that counts now, if there is one: what does not beat it need not be checked.
        known: Option<Evidence>,
    },
    /// Check a proof with [`crate::verify_proof`].
    CheckProof {
        /// The link that sent it.
        link: LinkId,
        /// As it came: neither the signatures nor the contradiction were looked at.
        raw: Box<RawProof>,
    },
    /// Check the signature of a part of the revocation list; feed [`Input::Revoked`],
    /// [`Input::RevocationsVoid`] or [`Input::RevocationsRefused`].
    CheckRevocations {
        /// The link that sent it.
        link: LinkId,
        /// One part as the CA signed it, or somebody says that it did; its form was not looked at.
        bytes: Bytes,
    },
    /// Commit a bundle; appends are counted from 1 and committed in order.
    Append {
        /// The next of its chain. One of ours is sent only once it is committed.
        bundle: Arc<VerifiedBundle>,
    },
    /// Commit something else than a bundle. No answer is expected but for [`Persist::Revocations`].
    Persist(Persist),
    /// Close the link with this BYE. The driver reports [`Input::LinkDown`] once it is closed.
    Close {
        /// The link to close: nothing more is given to it.
        link: LinkId,
        /// The code of the BYE.
        code: ByeCode,
        /// For the log and the BYE.
        reason: &'static str,
        /// For how many microseconds no link with this peer is taken; 0 for none.
        ban_us: u64,
    },
    /// Something that people, logs or counters should know; nothing has to be done.
    Event(Event),
}

/// Records besides bundles that have to survive a restart.
#[derive(Debug, Clone)]
pub enum Persist {
    /// A member and its certificate.
    Member {
        /// The node that the certificate is for.
        node: NodeId,
        /// Its certificate in DER; nothing where trust is pinned.
        evidence: Bytes,
    },
    /// An equivocation proof; of two of one origin the one with the lower place.
    Proof(Box<VerifiedProof>),
    /// A part of the revocation list, to be kept before everything else, of two of one place the one with the higher number. The
    /// answer is [`Input::RevocationsKept`], once it is durable.
    Revocations(Arc<ListPart>),
}

/// Facts for people, logs and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message of ours is durable and on its way.
    Durable {
        /// As given on submission.
        ticket: Ticket,
        /// Our origin at the time.
        origin: Origin,
        /// Its place in that origin's chain.
        seq: Seq,
        /// The time that it bears, by our hybrid clock.
        clock: Clock,
    },
    /// A message of ours was taken and will never be durable.
    NotWritten {
        /// As given on submission.
        ticket: Ticket,
        /// What stands in the way of it.
        reason: Reject,
    },
    /// Our own origin is now this one, because of what neighbours or the store said.
    NewIncarnation {
        /// Our node with an incarnation above all that are known of it.
        origin: Origin,
        /// What was seen of the one before, for people and logs.
        reason: &'static str,
    },
    /// An origin was proven to have equivocated; its messages from `place` on leave the view.
    Equivocation {
        /// The chain that has two branches.
        origin: Origin,
        /// From which number on.
        place: Seq,
    },
    /// A peer broke the protocol; what was done follows as [`Output::Close`].
    Misbehaviour {
        /// Who sent it, by the certificate of the link.
        peer: NodeId,
        /// The rule that was broken, in words of ours.
        reason: &'static str,
    },
    /// An origin goes over its rate: it is held back for now.
    OverQuota {
        /// The author that is over it.
        node: NodeId,
    },
    /// A part of the revocation list came into force.
    Revocations {
        /// The list that is in force now.
        list: Arc<Revocations>,
    },
}
