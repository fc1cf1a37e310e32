//! What the liar signs: chains that go on, leave gaps, overlap, part, and end near the last number there is.

use std::sync::Arc;

use rumormill_wire::native::{BundleBuilder, BundleHeader, MessageKind, Proof, SignedHeader};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq};

use super::cast::{self, ENDS, HONEST, NETWORK, Pen};
use super::ops::ARGS;
use super::world::World;
use crate::bundle::{Signer, VerifiedBundle, bundle_digest, seal, signed_bytes};

/// 2200-01-01 in microseconds.
const YEAR_2200_US: u64 = 7_258_118_400_000_000;
const MAX_MESSAGES: u8 = 4;

/// The incarnation of this index.
pub(super) const fn incarnation(index: u8) -> Incarnation {
    Incarnation(1_700_000_000 + index as u64)
}

impl World<'_> {
    /// Which origin an argument means: three bits say whose, the rest which incarnation.
    pub(super) fn origin(&self, arg: u8) -> Origin {
        let (n, index) = (cast::who(arg), arg >> 3);
        if let Some(end) = ENDS.iter().position(|end| *end == n) {
            let (me, node) = (self.nodes[end].engine.me(), &self.nodes[end]);
            let wall_s = self.now.saturating_add_signed(node.offset) / 1_000_000;
            let incarnation = match index {
                0 => me.incarnation,
                1 => Incarnation(me.incarnation.0.saturating_add(1)),
                2 => Incarnation(wall_s.saturating_add(86_000)),
                3 => Incarnation(u64::MAX),
                _ => incarnation(index),
            };
            return Origin { incarnation, ..me };
        }
        let made_up = !cast::is_member(n) && n != cast::OUTSIDER;
        let node = if made_up { NodeId([index; 32]) } else { cast::id(n) };
        Origin { node, incarnation: incarnation(index) }
    }

    /// Who signs for an origin as far as the liar can: with its own key where it does not have the right one.
    fn pen(&self, arg: u8) -> Pen {
        let n = cast::who(arg);
        Pen(if ENDS.contains(&n) || cast::id(n) != self.origin(arg).node { cast::LIARS[0] } else { n })
    }

    /// `slot, origin, shape, by, clock, length`: signs a bundle.
    pub(super) fn sign(&mut self, args: [u8; ARGS]) -> Option<Arc<VerifiedBundle>> {
        let [_, whose, shape, by, clock, length, ..] = args;
        let (origin, pen) = (self.origin(whose), self.pen(whose));
        // One that keeps to the protocol goes on where it stopped, in its one history.
        let honest = pen.0 == HONEST;
        let branch = if honest { 0 } else { shape >> 3 & 1 };
        let parted = usize::from(by);
        let chain = self.book.branches.get(&(origin, branch)).or_else(|| self.book.branches.get(&(origin, 0)));
        let mut chain = chain.cloned().unwrap_or_default();
        if branch == 1 && !self.book.branches.contains_key(&(origin, 1)) {
            chain.truncate(parted % (chain.len() + 1));
        }
        let (next, previous, last) = chain
            .last()
            .map_or((Seq::FIRST, Digest::ZERO, 0), |last| (last.header().next(), last.digest(), last.last_clock().0));
        let count = 1 + (shape >> 4) % MAX_MESSAGES;
        let by = u64::from(by);
        let (first, broken) = match if honest { 0 } else { shape % 8 } {
            2 => (next.0.saturating_add(by).saturating_add(1), true),
            3 => (next.0.saturating_sub(by).max(1), true),
            4 => (u64::MAX - by - u64::from(count), true),
            5 => (1, true),
            6 => (next.0, next > Seq::FIRST),
            _ => (next.0, false),
        };
        let ending = |bundle: &&Arc<VerifiedBundle>| bundle.header().next().0 == first;
        let fits = chain.iter().find(ending).map(|bundle| bundle.digest());
        let previous = match (first, broken) {
            (1, _) => Digest::ZERO,
            (_, false) => previous,
            (..) => fits.filter(|_| shape % 8 != 6).unwrap_or(Digest([by.to_le_bytes()[0] | 1; 32])),
        };
        let wall = self.now.saturating_add_signed(cast::WALL_US);
        let clock = match if honest { clock % 2 } else { clock % 6 } {
            2 => last.saturating_add(1),
            3 => YEAR_2200_US.max(last.saturating_add(1)),
            4 => u64::MAX - 8,
            5 => last.saturating_sub(by << 32),
            ahead => wall.saturating_add(u64::from(ahead) * 50_000_000).max(last.saturating_add(1)),
        };
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        let text = format!("{branch}.{first}.{}", "x".repeat(usize::from(length)));
        for n in 0..count {
            let reading = Clock(clock.saturating_add(n.into()));
            builder.push(reading, MessageKind::CHAT, "", text.as_bytes()).ok()?;
        }
        let bundle = seal(builder, Clock(clock), &pen, &NETWORK);
        if !broken {
            chain.push(Arc::clone(&bundle));
            self.book.branches.insert((origin, branch), chain);
        }
        self.book.note(&bundle);
        Some(bundle)
    }

    /// `slot, origin, how, one, other`: two signed headers, of what was signed before or made for it.
    pub(super) fn proof(&mut self, args: [u8; ARGS]) -> Option<Proof> {
        let [_, whose, how, one, other, ..] = args;
        let origin = self.origin(whose);
        if how % 4 != 3 {
            let headers = self.book.headers.get(&origin)?;
            let get = |at: u8| headers.get(usize::from(at) % headers.len()).copied();
            let (a, mut b) = (get(one)?, get(other)?);
            if how % 4 == 2 {
                b.signature.0[usize::from(how >> 2)] ^= 1;
            }
            return Some(Proof { a, b });
        }
        let first = if other & 1 == 0 { 1 << (one % 64) } else { 1 + u64::from(one) };
        let pen = self.pen(whose);
        if pen.0 == HONEST {
            return None;
        }
        let [a, b] = [1, 2].map(|branch| {
            let previous =
                if first == 1 { Digest::ZERO } else { Digest([if other & 2 == 0 { 9 } else { branch }; 32]) };
            let header = BundleHeader { origin, first: Seq(first), count: 1, previous };
            let body = Digest([branch; 32]);
            let digest = bundle_digest(&header, &body);
            SignedHeader { header, body, signature: pen.sign(&signed_bytes(&NETWORK, &digest)) }
        });
        Some(Proof { a, b })
    }
}
