//! The replica alone: what it says that happened, and where its logs are then.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use rumormill_wire::native::{BundleBuilder, MessageKind, Rumor};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::bundle::{RawBundle, Signer, VerifiedBundle, seal};
use crate::config::{EngineConfig, Recovered};
use crate::ingress::queue::Sender;
use crate::io::{self as driver, CheckId, LinkId};
use crate::members::{self, Evidence};
use crate::test_signers::Key;

const NETWORK: NetworkId = NetworkId([7; 32]);

fn origin(key: &Key) -> Origin {
    Origin { node: key.node(), incarnation: Incarnation(1) }
}

/// So many bundles of one message each, of one author.
fn chain(author: &Key, length: u64) -> Vec<Arc<VerifiedBundle>> {
    let mut previous = Digest::ZERO;
    let next = |n: u64| {
        let mut builder = BundleBuilder::new(origin(author), Seq(n), previous);
        builder.push(Clock(n), MessageKind::CHAT, "", b"word").unwrap();
        let bundle = seal(builder, Clock(n), author, &NETWORK);
        previous = bundle.digest();
        bundle
    };
    (1..=length).map(next).collect()
}

/// A replica that knows an author.
fn replica(author: &Key) -> Replica {
    let mut replica =
        Replica::new(&EngineConfig::new(NETWORK), Box::new(Key::new(1)), Recovered::empty(origin(&Key::new(1))));
    let evidence = Evidence { bytes: b"certificate".as_slice().into(), since: 0 };
    replica.tell_members(members::Input::Admit { node: author.node(), evidence, from: None });
    assert!(said(&mut replica).iter().any(|said| matches!(said, ReplicaOutput::Admitted(_))));
    replica
}

fn said(replica: &mut Replica) -> Vec<ReplicaOutput> {
    core::iter::from_fn(|| replica.poll_output()).collect()
}

/// A bundle comes; the check that is asked for, if one is.
fn comes(replica: &mut Replica, bundle: &VerifiedBundle, ordinal: u64) -> Option<CheckId> {
    let raw = RawBundle::of(bundle);
    let sender = Sender { link: LinkId(1), peer: NodeId([9; 32]), ordinal, bytes: 10, want_status: false };
    let rumor =
        Rumor { want_status: false, answers_range: false, header: *bundle.header(), bundle: raw.bytes().as_ref() };
    replica.rumor(sender, &rumor, raw.bytes());
    said(replica).into_iter().find_map(|said| match said {
        ReplicaOutput::Drive(driver::Output::Verify { check, .. }) => Some(check),
        _ => None,
    })
}

proptest! {
    /// In whatever order verdicts come, a chain goes on by one bundle at a time: whoever hears of one finds the logs as they are with it,
    /// and the store has had it before.
    #[test]
    fn whoever_hears_of_a_bundle_finds_the_logs_as_they_are_with_it(order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let author = Key::new(2);
        let mut replica = replica(&author);
        let bundles = chain(&author, 6);
        let checks: Vec<_> =
            (1..).zip(&bundles).map(|(n, bundle)| comes(&mut replica, bundle, n).unwrap()).collect();
        let (mut appended, mut accepted) = (0, 0);
        for n in order {
            replica.verified(checks[n], Ok(Arc::clone(&bundles[n])));
            while let Some(said) = replica.poll_output() {
                match said {
                    ReplicaOutput::Drive(driver::Output::Append { .. }) => appended += 1,
                    ReplicaOutput::Accepted(bundle, senders) => {
                        accepted += 1;
                        prop_assert_eq!((bundle.header().first, appended, senders.len()), (Seq(accepted), accepted, 1));
                        prop_assert_eq!(replica.logs().next_of(&origin(&author)), Seq(accepted + 1));
                    }
                    _ => {}
                }
            }
        }
        prop_assert_eq!((appended, accepted), (6, 6));
    }
}

#[test]
fn with_a_full_store_what_was_not_durable_is_lost_again_and_what_is_new_passes() {
    let author = Key::new(2);
    let mut replica = replica(&author);
    let bundles = chain(&author, 3);
    let checks: Vec<_> = (1..).zip(&bundles[..2]).map(|(n, bundle)| comes(&mut replica, bundle, n).unwrap()).collect();
    for (check, bundle) in checks.into_iter().zip(&bundles) {
        replica.verified(check, Ok(Arc::clone(bundle)));
    }
    said(&mut replica);
    replica.commit(1);
    replica.on_store_full();
    let lost: Vec<_> = said(&mut replica)
        .iter()
        .filter_map(|said| match said {
            ReplicaOutput::Lost { origin, from, to } => Some((*origin, *from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [(origin(&author), Seq(2), Seq(3))]);
    assert_eq!(replica.logs().next_of(&origin(&author)), Seq(2));

    let check = comes(&mut replica, &bundles[2], 3).unwrap();
    replica.verified(check, Ok(Arc::clone(&bundles[2])));
    let passes = said(&mut replica);
    assert!(
        passes.iter().any(|said| matches!(said, ReplicaOutput::Passes(bundle, _) if bundle.header().first == Seq(3)))
    );
    assert!(!passes.iter().any(|said| matches!(said, ReplicaOutput::Drive(driver::Output::Append { .. }))));
    assert_eq!(replica.logs().passed_to(&origin(&author)), Seq(4));
}
