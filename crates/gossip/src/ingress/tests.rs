//! The machine that takes bundles in, alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use rumormill_wire::native::{BundleBuilder, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq};

use super::queue::Sender;
use super::{ChainState, Dropped, Ingress, Input, Output};
use crate::bundle::{Invalid, RawBundle, Signer, VerifiedBundle, seal};
use crate::config::EngineConfig;
use crate::io::{Admission, CheckId, LinkId, Timestamp};
use crate::test_signers::Key;

const NETWORK: NetworkId = NetworkId([7; 32]);
const NOW: Timestamp = Timestamp(0);

/// One message of an author, at this number.
fn bundle(author: u8, first: u64, text: &str) -> Arc<VerifiedBundle> {
    let (key, clock) = (Key::new(author), Clock(first));
    let origin = Origin { node: key.node(), incarnation: Incarnation(1) };
    let previous = if first == 1 { Digest::ZERO } else { Digest([1; 32]) };
    let mut builder = BundleBuilder::new(origin, Seq(first), previous);
    builder.push(clock, MessageKind::CHAT, "", text.as_bytes()).unwrap();
    seal(builder, clock, &key, &NETWORK)
}

fn sender(ordinal: u64) -> Sender {
    Sender { link: LinkId(ordinal % 3), peer: NodeId([9; 32]), ordinal, bytes: 10, want_status: false }
}

/// A chain that wants this number next, of an author that belongs to the network.
fn at(next: u64) -> ChainState<'static> {
    ChainState {
        next: Seq(next),
        reached: Seq(next),
        limit: None,
        ours: None,
        set_back: None,
        searched: false,
        fresh: next == 1,
        has_place: true,
        committing: false,
        admission: Admission::Admitted,
        store_full: false,
    }
}

fn ingress(config: EngineConfig) -> Ingress {
    Ingress::new(&config)
}

fn config() -> EngineConfig {
    EngineConfig::new(NETWORK)
}

fn drain(ingress: &mut Ingress) -> Vec<Output> {
    core::iter::from_fn(|| ingress.poll_output()).collect()
}

fn enter(ingress: &mut Ingress, bundle: &VerifiedBundle, n: u64, standing: ChainState<'_>) -> Vec<Output> {
    ingress.handle(NOW, Input::Bundle { raw: RawBundle::of(bundle), sender: sender(n), standing: &standing });
    drain(ingress)
}

fn check(outputs: &[Output]) -> Option<CheckId> {
    outputs.iter().find_map(|output| match output {
        Output::Verify { check, .. } => Some(*check),
        _ => None,
    })
}

fn dropped(outputs: &[Output]) -> Option<Dropped> {
    match outputs {
        [Output::Dropped { why, .. }] => Some(*why),
        _ => None,
    }
}

#[test]
fn what_stands_in_the_way_of_a_bundle_is_said_and_nothing_of_it_is_checked() {
    let first = bundle(1, 1, "first");
    let cases = [
        (ChainState { limit: Some(Seq(1)), ..at(1) }, Dropped::Withdrawn),
        (ChainState { committing: true, ..at(1) }, Dropped::Committing),
        (ChainState { has_place: false, ..at(1) }, Dropped::NoPlace),
        (ChainState { admission: Admission::Unknown, ..at(1) }, Dropped::NotAdmitted),
        (ChainState { set_back: Some(first.signed_header()), ..at(1) }, Dropped::SetBack),
    ];
    for (standing, why) in cases {
        assert_eq!(dropped(&enter(&mut ingress(config()), &first, 1, standing)), Some(why));
    }
    assert_eq!(dropped(&enter(&mut ingress(config()), &bundle(1, 3, "third"), 1, at(2))), Some(Dropped::Gap));
    let ours = ChainState { ours: Some(&first), ..at(2) };
    assert!(matches!(enter(&mut ingress(config()), &first, 1, ours)[..], [Output::Duplicate { .. }]));
}

#[test]
fn an_author_over_its_rate_or_its_pace_is_told_from_one_with_room() {
    let (first, second) = (bundle(1, 1, "first"), bundle(1, 2, "second"));
    let slow = EngineConfig { pace_bytes_per_s: 1, pace_burst_bytes: first.pace_cost(), ..config() };
    let small = EngineConfig { quota_bytes_per_day: first.cost(), ..config() };
    for (config, why) in [(slow, Dropped::OverPace), (small, Dropped::OverRate)] {
        let mut ingress = ingress(config);
        let id = check(&enter(&mut ingress, &first, 1, at(1))).unwrap();
        ingress.take(id, Seq(1));
        assert_eq!(ingress.may_join(&first, true, NOW), None);
        ingress.charge(&first, true, NOW);
        assert_eq!(ingress.may_join(&second, false, NOW), Some(why));
        assert_eq!(ingress.refusal(&first.header().origin.node, false, NOW), Some(why));
        assert_eq!(dropped(&enter(&mut ingress, &second, 2, at(2))), Some(why));
        let other = bundle(2, 1, "of another");
        assert!(check(&enter(&mut ingress, &other, 3, at(1))).is_some(), "another author has its own");
    }
}

#[test]
fn a_forged_copy_does_not_keep_the_true_one_out() {
    let mut ingress = ingress(config());
    let (forged, real) = (bundle(1, 1, "forged"), bundle(1, 1, "real"));
    let id = check(&enter(&mut ingress, &forged, 1, at(1))).unwrap();
    assert_eq!(check(&enter(&mut ingress, &real, 2, at(1))), None, "one copy of a place at a time");
    ingress.handle(NOW, Input::Verified { check: id, verdict: Err(Invalid::Signature), next: Seq(1) });
    let outputs = drain(&mut ingress);
    assert!(outputs.iter().any(|o| matches!(o, Output::Invalid { senders, .. } if senders[..] == [sender(1)])));
    let id = check(&outputs).expect("the other's turn has come");
    ingress.handle(NOW, Input::Verified { check: id, verdict: Ok(Arc::clone(&real)), next: Seq(1) });
    drain(&mut ingress);
    let (id, turn) = ingress.turn(real.header().origin, Seq(1)).unwrap();
    assert_eq!((turn.digest(), ingress.take(id, Seq(2))), (real.digest(), vec![sender(2)]));
    assert!(ingress.is_empty());
}

#[test]
fn an_author_is_vouched_for_first_and_what_waits_in_vain_goes_all_of_it() {
    for vouched in [true, false] {
        let mut ingress = ingress(config());
        let copies = [bundle(1, 1, "one"), bundle(1, 1, "other"), bundle(1, 2, "next")];
        for (n, copy) in (1..).zip(&copies) {
            let outputs = enter(&mut ingress, copy, n, ChainState { admission: Admission::Pending, ..at(1) });
            assert!(matches!(outputs[..], [Output::Open(_)]), "{outputs:?}");
        }
        let node = copies[0].header().origin.node;
        ingress.handle(NOW, if vouched { Input::Admitted(node) } else { Input::Void(node) });
        let outputs = drain(&mut ingress);
        let checks = outputs.iter().filter(|output| matches!(output, Output::Verify { .. })).count();
        let void = outputs.iter().filter(|output| matches!(output, Output::Void { .. })).count();
        assert_eq!((checks, void, ingress.len()), if vouched { (2, 0, 3) } else { (0, 3, 0) });
        if vouched {
            let id = check(&outputs).unwrap();
            ingress.handle(NOW, Input::Verified { check: id, verdict: Err(Invalid::Signature), next: Seq(1) });
            assert!(check(&drain(&mut ingress)).is_some(), "the copy behind it is vouched for, too");
        }
    }
}

/// What became of each frame that came in.
#[derive(Default)]
struct Fates {
    open: BTreeSet<u64>,
    over: BTreeMap<u64, u32>,
    running: BTreeMap<CheckId, Arc<VerifiedBundle>>,
    places: BTreeMap<(Origin, Seq), CheckId>,
    next: u64,
}

impl Fates {
    fn end(&mut self, senders: &[Sender]) {
        for sender in senders {
            *self.over.entry(sender.ordinal).or_default() += 1;
        }
    }

    fn follow(&mut self, ingress: &mut Ingress, all: &[Arc<VerifiedBundle>]) -> Result<(), TestCaseError> {
        while let Some(output) = ingress.poll_output() {
            match output {
                Output::Verify { check, raw } => {
                    let place = (raw.header().origin, raw.header().first);
                    prop_assert!(self.places.insert(place, check).is_none(), "two of one place at a time");
                    let bundle = all.iter().find(|bundle| bundle.bytes() == raw.bytes()).unwrap();
                    self.running.insert(check, Arc::clone(bundle));
                }
                Output::Open(sender) => drop(self.open.insert(sender.ordinal)),
                Output::Duplicate { sender, .. } | Output::Dropped { sender, .. } => self.end(&[sender]),
                Output::Evidence { senders, .. } | Output::Invalid { senders, .. } | Output::Void { senders, .. } => {
                    self.end(&senders);
                }
                Output::Settled(origin) => {
                    while let Some((id, _)) = ingress.turn(origin, Seq(self.next)) {
                        self.next += 1;
                        let senders = ingress.take(id, Seq(self.next));
                        self.end(&senders);
                    }
                    let senders = ingress.take_stale(origin, Seq(self.next));
                    self.end(&senders);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    /// Whatever comes in whatever order: each frame has one end, of a place one copy is checked at a time, and nothing stays.
    #[test]
    fn each_frame_has_one_end(
        steps in proptest::collection::vec((1..6_u64, 0..3_u8, 0..4_u8), 1..120),
        late in any::<bool>(),
        vouched in any::<bool>(),
    ) {
        let texts = ["a", "b", "c"];
        let all: Vec<_> = (1..6).flat_map(|first| texts.map(|text| bundle(1, first, text))).collect();
        let node = all[0].header().origin.node;
        let mut ingress = ingress(EngineConfig { max_checks: 8, ..config() });
        let mut fates = Fates { next: 1, ..Fates::default() };
        let mut admitted = !late;
        let verdict = |fates: &mut Fates, ingress: &mut Ingress, holds: bool| {
            let Some((check, bundle)) = fates.running.pop_first() else { return };
            fates.places.retain(|_, of| *of != check);
            let verdict = if holds { Ok(bundle) } else { Err(Invalid::Signature) };
            ingress.handle(NOW, Input::Verified { check, verdict, next: Seq(fates.next) });
        };
        let mut frames = 0;
        for (first, text, then) in steps {
            frames += 1;
            let raw = RawBundle::of(all.iter().find(|b| b.header().first == Seq(first)
                && RawBundle::of(b).bytes() == bundle(1, first, texts[usize::from(text)]).bytes()).unwrap());
            let admission = if admitted { Admission::Admitted } else { Admission::Pending };
            let standing = ChainState { admission, ..at(fates.next) };
            ingress.handle(NOW, Input::Bundle { raw, sender: sender(frames), standing: &standing });
            fates.follow(&mut ingress, &all)?;
            if then > 0 {
                verdict(&mut fates, &mut ingress, then > 1);
                fates.follow(&mut ingress, &all)?;
            }
        }
        if !admitted {
            admitted = vouched;
            ingress.handle(NOW, if vouched { Input::Admitted(node) } else { Input::Void(node) });
            fates.follow(&mut ingress, &all)?;
        }
        while !fates.running.is_empty() {
            verdict(&mut fates, &mut ingress, true);
            fates.follow(&mut ingress, &all)?;
        }
        prop_assert!(ingress.is_empty(), "{} stay, admitted: {admitted}", ingress.len());
        prop_assert_eq!(fates.over.len() as u64, frames);
        prop_assert!(fates.over.values().all(|ends| *ends == 1));
    }
}
