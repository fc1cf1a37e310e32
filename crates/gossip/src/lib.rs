//! The gossip protocol as a machine without IO and without a clock (docs/protocol.md). The sockets, the disk, the clock and the
//! threads belong to its driver. A run loop, here of a node that has no neighbours yet:
//!
//! ```
//! use std::collections::VecDeque;
//! use std::sync::Arc;
//!
//! use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
//! use rand::{SeedableRng, rngs::StdRng};
//! use rumormill_gossip::{
//!     Ask, Checked, Engine, EngineConfig, Event, Evidence, Input, Output, RawBundle, Recovered, Signer, Ticket, Timestamp, verify,
//!     verify_proof,
//! };
//! use rumormill_wire::{Incarnation, NetworkId, NodeId, Origin, Signature, native::MessageKind};
//!
//! struct Key(Ed25519KeyPair);
//! impl Signer for Key {
//!     fn node(&self) -> NodeId {
//!         NodeId(self.0.public_key().as_ref().try_into().unwrap_or_default())
//!     }
//!     fn sign(&self, message: &[u8]) -> Signature {
//!         Signature(self.0.sign(message).as_ref().try_into().unwrap_or([0; 64]))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = NetworkId([7; 32]);
//! let key = Key(Ed25519KeyPair::from_seed_unchecked(&[1; 32])?);
//! let (node, incarnation) = (key.node(), Incarnation(1_767_225_600));
//! let store = Recovered::empty(Origin { node, incarnation });
//! let random = Box::new(StdRng::seed_from_u64(1));
//! let mut engine = Engine::new(EngineConfig::new(network), Box::new(key), store, random);
//!
//! let mut inputs = VecDeque::from([
//!     Input::WallOffset(1_767_225_600_000_000),
//!     Input::Admit { node, evidence: Evidence { bytes: "our certificate".into(), since: 0 } },
//!     Input::Start(Ask::Nobody),
//!     Input::Submit { ticket: Ticket(1), kind: MessageKind::CHAT, room: String::new(), body: "hello".into() },
//! ]);
//! let (mut now, mut log, mut durable) = (Timestamp(0), Vec::new(), Vec::new());
//! while now < Timestamp(60_000_000) {
//!     // Feed one input. When nothing has happened, sleep until the timer.
//!     let input = inputs.pop_front().unwrap_or_else(|| {
//!         now = engine.next_timeout().unwrap_or(Timestamp(u64::MAX));
//!         Input::Timeout
//!     });
//!     engine.handle(now, input)?;
//!     // Do all that it wants done, in order.
//!     while let Some(output) = engine.poll_output() {
//!         match output {
//!             // To the socket of the link; `Input::Writable` once the bytes have left.
//!             Output::Send { link, frame } => inputs.push_back(Input::Writable { link, bytes: frame.len() }),
//!             Output::SendBundle { link, bundle, .. } => {
//!                 inputs.push_back(Input::Writable { link, bytes: bundle.bytes().len() + 6 });
//!             }
//!             // The link's reader may take so many bytes more.
//!             Output::Credit { .. } => {}
//!             // To the store. Once it is durable, and never before:
//!             Output::Append { bundle } => {
//!                 log.push(bundle);
//!                 inputs.push_back(Input::Committed { appends: u64::try_from(log.len())? });
//!             }
//!             Output::Persist(_) => {} // the same; a part of the revocation list is answered with `RevocationsKept`
//!             // From the store.
//!             Output::ReadRange { link, origin, .. } => {
//!                 let bundles = log.iter().map(|bundle| RawBundle::of(bundle)).collect();
//!                 inputs.push_back(Input::RangeRead { link, origin, bundles });
//!             }
//!             Output::LookUp { origin, at } => inputs.push_back(Input::LookedUp { origin, at, bundle: None }),
//!             // To a thread that checks signatures, or to the certificate check.
//!             Output::Verify { check, raw } => {
//!                 let verdict = verify(&raw, &network).map(Arc::new);
//!                 inputs.push_back(Input::Verified { check, verdict });
//!             }
//!             Output::CheckProof { link, raw } => {
//!                 let verdict = verify_proof(&raw, &network).ok().map(Box::new);
//!                 inputs.push_back(Input::ProofVerdict { link, verdict });
//!             }
//!             Output::CheckMember { link, node, evidence, .. } => {
//!                 inputs.push_back(Input::MemberVerdict { link, node, evidence, verdict: Checked::False });
//!             }
//!             Output::CheckRevocations { link, .. } => inputs.push_back(Input::RevocationsRefused { link }),
//!             // Say BYE, close the socket; `Input::LinkDown` when it is closed.
//!             Output::Close { link, .. } => inputs.push_back(Input::LinkDown { link }),
//!             Output::Event(Event::Durable { ticket, .. }) => durable.push(ticket),
//!             Output::Event(_) => {}
//!         }
//!     }
//! }
//! assert_eq!((log.len(), durable), (1, vec![Ticket(1)]));
//! # Ok(())
//! # }
//! ```
//!
//! # The contract of a machine
//!
//! [`Engine`] has three methods. The small machines in it ("What it is made of") have the same, each with its own inputs and outputs.
//! A machine that waits for nothing has no `next_timeout`, and a machine that does not depend on the time takes none:
//!
//! - `handle(now, input)` takes one input. It never blocks. An input that is refused has changed nothing, and [`Reject`] says whose
//!   fault it is.
//! - `poll_output()` returns what is to be done, one thing at a time, and `None` when there is nothing more.
//! - `next_timeout()` is the latest time at which the machine wants [`Input::Timeout`]. An earlier call does no harm.
//!
//! The same inputs at the same times with the same generator give the same outputs, byte for byte. The cost of an input does not
//! grow with the links, authors and members that it does not concern (tests/work.rs, benches/frame_cost.rs).
//!
//! [`Shell`] is the driver as a trait: one method for each thing to be done. [`Drive`] feeds an input and carries out its outputs,
//! in order, where the driver has only an engine: in the deterministic world of these tests and in the fuzzer. [`Check::run`]
//! carries out a check.
//!
//! The obligations of the driver:
//!
//! 1. [`Input::WallOffset`], [`Input::Admit`] for itself and [`Input::Start`] come first, in this order.
//! 2. Time never goes back: `now` is a monotone clock. The wall clock is given as its offset, and again when it steps.
//! 3. After each `handle` the driver drains `poll_output` and carries the outputs out, in that order, before the next input. Then
//!    it arms its timer anew.
//! 4. Each question is answered once, whatever the result: [`Output::Verify`], [`Output::CheckMember`], [`Output::CheckProof`],
//!    [`Output::CheckRevocations`], [`Output::ReadRange`], [`Output::LookUp`]. Answers may come in any order.
//! 5. [`Output::Append`] is committed in order, and [`Input::Committed`] reports only durable bundles: our own bundles go to
//!    neighbours after that, so that a node that dies never uses a number twice. A store that takes no more is reported with
//!    [`Input::StoreFull`].
//! 6. A link is named once. After [`Input::LinkDown`] nothing comes from it; outputs sent to it afterwards are dropped. Frames of a
//!    link come in order, each frame whole: its kind and payload, without its length.
//! 7. Everything sent on a link leaves in order. [`Input::Writable`] says how many of the bytes given have left: a frame with its
//!    length, a bundle and the 6 bytes before it. Without it, the link is given no more than its window.
//! 8. A link's reader stops when the bytes of RUMOR frames without an [`Output::Credit`] exceed its allowance.
//!
//! # What it is made of
//!
//! [`Engine`] joins two halves. What this node has (`replica`): chains of signed bundles ([`chain`]), incoming bundles
//! ([`ingress`]), what we write ourselves ([`author`]), where two branches part ([`fork`]), which proofs of that are taken
//! ([`proofs`]) and who is a member ([`members`]). What each neighbour has, is given and is told (`neighbours`): one cursor for
//! each neighbour and origin ([`link`]), what it has and we lack ([`claims`]), what it is told about what it sent ([`acks`]),
//! fingerprints of frontiers ([`frontier`]) and their comparison ([`reconcile`]), how the revocation list arrives and is passed on
//! ([`revocation`]), how new messages spread ([`spread`]), and what a neighbour may be given of what it asks for ([`share`]).
#![forbid(unsafe_code)]
#![deny(
    unreachable_pub,
    unnameable_types,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod acks;
pub mod author;
pub mod bundle;
pub mod cache;
pub mod chain;
pub mod claims;
pub mod clock;
pub mod config;
pub mod cost;
mod engine;
pub mod fork;
pub mod frontier;
pub mod ingress;
pub mod io;
pub mod key;
pub mod link;
mod links;
mod logs;
pub mod lthash;
#[cfg(feature = "fuzz")]
pub mod measure;
pub mod members;
mod neighbours;
pub mod pacer;
pub mod passing;
mod picker;
pub mod proof;
pub mod proofs;
pub mod reconcile;
mod replica;
pub mod revocation;
pub mod share;
pub mod shared_map;
pub mod shell;
pub mod spread;
pub mod stats;
mod tally;
#[cfg(test)]
mod test_signers;
mod timers;
mod turns;
pub mod unacked;
pub mod uncommitted;

#[cfg(feature = "fuzz")]
pub mod fuzz;

pub use bundle::{Invalid, RawBundle, Signer, VerifiedBundle, verify, verify_header};
pub use config::{Dissemination, EngineConfig, Recovered, RecoveredChain};
pub use engine::Engine;
pub use io::{Ask, CheckId, Event, Input, LinkId, Output, Persist, Reject, Ticket, Timestamp};
pub use members::{Checked, Evidence};
pub use proof::{RawProof, VerifiedProof, verify_proof};
pub use revocation::{Judged, Revocations};
pub use shell::{Check, Drive, Judge, Read, Shell};
pub use stats::{LinkStats, Stats, Why};
