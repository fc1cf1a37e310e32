//! The ways in which a member does its worst (tests/hostile.rs). Each goes on until it is stopped.
#![allow(clippy::cast_possible_truncation, reason = "of numbers that count up the lowest bits do")]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumormill_wire::native::{
    Bye, ByeCode, Coverage, EntryState, Frame, Member, Proof, RangeRequest, Status, StatusEntries, StatusEntry, kind,
};
use rumormill_wire::{Digest, HeadHash, Incarnation, NodeId, Origin, Seq};

use crate::frames::{encoded, raw_frame};
use crate::mallory::{Mallory, Signed, now_us};

/// One way of doing harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Proofs about origins that nobody has heard of.
    ProofsFromNothing,
    /// Second histories, each from one number before the last.
    FallingPlaces,
    /// A new life with each bundle.
    Incarnations,
    /// Bundles as large as they may be, without end.
    Bytes,
    /// Bundles of one empty message, without end.
    SmallBundles,
    /// STATUS frames with 700 made-up origins each.
    Claims,
    /// Revocation lists that are none.
    Lists,
    /// Certificates that are none.
    Certificates,
    /// Frames of no form.
    BadFrames,
    /// TLS and no HELLO, on many connections.
    Silent,
    /// BYE with a reason that forges log lines, before HELLO and after.
    Farewells,
    /// Texts and rooms that forge lines.
    Texts,
    /// Bundles from the future.
    Clocks,
    /// Asks for the same range again and again, and reads nothing.
    Ranges,
}

impl Way {
    /// Never ends by itself.
    pub async fn does(self, m: &Mallory, to: SocketAddr) {
        match self {
            Self::ProofsFromNothing => proofs_from_nothing(m, to).await,
            Self::FallingPlaces => falling_places(m, to).await,
            Self::Incarnations => incarnations(m, to).await,
            Self::Bytes => {
                let text = vec![b'x'; 31_000];
                bytes(m, to, &[("noise", &text), ("noise", &text)]).await;
            }
            Self::SmallBundles => bytes(m, to, &[("", b"")]).await,
            Self::Claims => claims(m, to).await,
            Self::Lists => again_and_again(m, to, |_| raw_frame(kind::REVOKED, &[7])).await,
            Self::Certificates => again_and_again(m, to, certificate).await,
            Self::BadFrames => {
                again_and_again(m, to, |n| raw_frame(kind::STATUS, &[0xff; 40][..(n % 40) as usize])).await
            }
            Self::Silent => silent(m, to).await,
            Self::Farewells => farewells(m, to).await,
            Self::Texts => texts(m, to).await,
            Self::Clocks => clocks(m, to).await,
            Self::Ranges => ranges(m, to).await,
        }
    }
}

async fn again_and_again(m: &Mallory, to: SocketAddr, frame: impl Fn(u64) -> Vec<u8>) {
    let mut link = m.link(to).await;
    for n in 0.. {
        link.send(to, &frame(n)).await;
    }
}

async fn proofs_from_nothing(m: &Mallory, to: SocketAddr) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    for incarnation in 1.. {
        link.send(to, &m.proof_from_nothing(incarnation)).await;
    }
}

/// A long chain, then a second history from its end, from one number before it, and so on down.
async fn falling_places(m: &Mallory, to: SocketAddr) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    for incarnation in 1.. {
        let origin = m.origin(incarnation);
        let mut chain: Vec<Signed> = Vec::new();
        for n in 0..512 {
            let previous = chain.last().map_or(Digest::ZERO, |last| last.digest);
            let next = m.bundle(origin, n + 1, previous, now_us() + n, &[("", b"one")]);
            link.send(to, &next.rumor).await;
            chain.push(next);
        }
        for one in chain.iter().rev() {
            let (other, _) = m.header(one.header.header, Digest([9; 32]));
            link.send(to, &encoded(&Frame::Proof(Proof { a: one.header, b: other }))).await;
        }
    }
}

async fn incarnations(m: &Mallory, to: SocketAddr) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    for incarnation in 1.. {
        let one = m.bundle(m.origin(incarnation), 1, Digest::ZERO, now_us(), &[("", b"a new life")]);
        link.send(to, &one.rumor).await;
    }
}

/// One chain of bundles with these messages, as fast as it can, and what was not taken again from there on.
async fn bytes(m: &Mallory, to: SocketAddr, messages: &[(&str, &[u8])]) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    let (mut chain, mut last, mut at, mut clock) = (Vec::new(), Digest::ZERO, 0, now_us());
    loop {
        let wanted = m.wanted.swap(0, Ordering::Relaxed) as usize;
        if wanted > 0 {
            at = at.min((wanted - 1) / messages.len());
        }
        if at == chain.len() {
            clock = now_us().max(clock + messages.len() as u64);
            let first = (at * messages.len()) as u64 + 1;
            let next = m.bundle(m.origin(1), first, last, clock, messages);
            last = next.digest;
            chain.push(next.rumor);
        }
        link.send(to, &chain[at]).await;
        at += 1;
    }
}

fn made_up(n: u64) -> Origin {
    let mut node = [0; 32];
    node[..8].copy_from_slice(&n.to_be_bytes());
    Origin { node: NodeId(node), incarnation: Incarnation(1) }
}

async fn claims(m: &Mallory, to: SocketAddr) {
    again_and_again(m, to, |n| {
        let entry = |i| StatusEntry {
            origin: made_up(n * 700 + i),
            next: Seq(1 << 40),
            head: HeadHash([3; 16]),
            kept: Seq(1),
            state: if i % 2 == 0 { EntryState::Normal } else { EntryState::Forked },
        };
        let entries: Vec<_> = (0..700).map(entry).collect();
        encoded(&Frame::Status(Status {
            want_status: true,
            hold: false,
            heard: 0,
            fingerprint: [n as u8; 16],
            origins: 700,
            coverage: if n % 2 == 0 {
                Coverage::Listed
            } else {
                Coverage::Range { low: Origin::MIN, high: Origin::MAX }
            },
            entries: StatusEntries::from(entries.as_slice()),
        }))
    })
    .await;
}

fn certificate(n: u64) -> Vec<u8> {
    encoded(&Frame::Member(Member { node: made_up(n).node, evidence: &[0x30; 900] }))
}

/// TLS and no HELLO, as many as there are descriptors.
async fn silent(m: &Mallory, to: SocketAddr) {
    let mut open = Vec::new();
    loop {
        if open.len() < 400
            && let Some(opened) = m.open(to).await
        {
            open.push(opened);
            m.count();
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn farewells(m: &Mallory, to: SocketAddr) {
    let reason = "gone\n2026-11-26T00:00:00.000000Z  INFO link up peer=carol\u{1b}[31m\u{202e}";
    let bye = encoded(&Frame::Bye(Bye { code: ByeCode::LEAVING, retry_after_s: 0, reason: reason.into() }));
    for n in 0_u64.. {
        if n % 2 == 0 {
            // Before HELLO.
            if let Some(mut opened) = m.open(to).await {
                let _ = opened.writer.send([bye.as_slice()]).await;
                m.count();
            }
        } else {
            let mut link = m.link(to).await;
            link.send(to, &bye).await;
        }
    }
}

async fn texts(m: &Mallory, to: SocketAddr) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    let (mut last, mut first) = (Digest::ZERO, 1);
    let room = "y\n2026-11-25T00:00:00Z alice I quit";
    loop {
        let text = "x\u{1b}[2J\u{202e}\u{2028}\r\nloud 9 \u{200b}";
        let next = m.bundle_in(m.origin(1), first, last, room, text.as_bytes());
        link.send(to, &next.rumor).await;
        (last, first) = (next.digest, first + 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn clocks(m: &Mallory, to: SocketAddr) {
    let mut link = m.link(to).await;
    link.send(to, &m.introduction()).await;
    let (mut last, mut first) = (Digest::ZERO, 1);
    loop {
        let clock = if first % 2 == 0 { u64::MAX - (1 << 20) + first } else { now_us() + 3_600_000_000 };
        let next = m.bundle(m.origin(first), 1, Digest::ZERO, clock, &[("", b"from tomorrow")]);
        link.send(to, &next.rumor).await;
        let long = m.bundle(m.origin(1 << 30), first, last, now_us() + 7_200_000_000 + first, &[("", b"later")]);
        link.send(to, &long.rumor).await;
        (last, first) = (long.digest, first + 1);
    }
}

/// Everything again and again, and the answers are not read.
async fn ranges(m: &Mallory, to: SocketAddr) {
    let mut opened = loop {
        match m.open(to).await {
            Some(opened) => break opened,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let _ = opened.writer.send([m.hello().as_slice()]).await;
    let one = m.bundle(m.origin(1), 1, Digest::ZERO, now_us(), &[("", &[b'x'; 30_000])]);
    let _ = opened.writer.send([m.introduction().as_slice(), one.rumor.as_slice()]).await;
    let ask = encoded(&Frame::Range(RangeRequest { origin: m.origin(1), from: Seq(1), until: Seq(2) }));
    while opened.writer.send([ask.as_slice()]).await.is_ok() {
        m.count();
    }
    std::future::pending::<()>().await;
}
