//! The directory as its driver sees it, with somebody who checks signatures.

use rumormill_wire::udp_mesh::extended::Extended;

use super::*;

/// The version of a page: a directory of one.
pub(super) fn page_of(bytes: &[u8]) -> Option<u64> {
    match Datagram::parse(bytes) {
        Ok(Datagram::Extended(Extended::Part(part))) => (part.total == 1).then_some(part.version),
        _ => None,
    }
}

/// What became of a BIRTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    Known,
    Refused { why: Refusal, tell: bool },
}

/// A directory with somebody who checks signatures, and what it said.
pub(super) struct DrivenDirectory {
    pub(super) directory: Directory,
    pub(super) gone: Vec<SocketAddr>,
}

impl std::ops::Deref for DrivenDirectory {
    type Target = Directory;
    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl DrivenDirectory {
    pub(super) fn new(limits: Limits, version: u64) -> Self {
        Self { directory: Directory::new(limits, version, &[7; 32]), gone: Vec::new() }
    }

    pub(super) fn feed(
        &mut self,
        now: Duration,
        input: Input<'_>,
        holds: impl FnOnce(&[u8; 32]) -> bool,
    ) -> (Result<(), Reject>, Vec<Output>) {
        let now = Timestamp::at(now);
        let mut taken = self.directory.handle(now, input);
        let (mut outputs, mut holds) = (Vec::new(), Some(holds));
        while let Some(output) = self.directory.poll_output() {
            match output {
                Output::Verify { key, .. } => {
                    let holds = holds.take().expect("asked once")(&key);
                    taken = self.directory.handle(now, Input::Verified { holds });
                }
                Output::Gone { addr } => self.gone.push(addr),
                output => outputs.push(output),
            }
        }
        (taken, outputs)
    }

    pub(super) fn verdict(
        &mut self,
        now: Duration,
        input: Input<'_>,
        holds: impl FnOnce(&[u8; 32]) -> bool,
    ) -> Verdict {
        match self.feed(now, input, holds) {
            (Ok(()), outputs) if outputs.is_empty() => Verdict::Known,
            (Ok(()), outputs) => {
                assert!(matches!(outputs[..], [Output::Joined { .. }]), "{outputs:?}");
                Verdict::Taken
            }
            (Err(Reject { why, tell }), outputs) => {
                assert_eq!(outputs, []);
                Verdict::Refused { why, tell }
            }
        }
    }

    pub(super) fn birth(&mut self, now: Duration, from: SocketAddr, character: NameChar, port: u16) -> Verdict {
        self.verdict(now, Input::Birth { from, character, port }, |_| panic!("a legacy BIRTH has no signature"))
    }

    pub(super) fn claim(
        &mut self,
        now: Duration,
        from: SocketAddr,
        claim: Claim<&str>,
        holds: impl FnOnce() -> bool,
    ) -> Verdict {
        self.verdict(now, Input::Claim { from, claim }, |_| holds())
    }

    pub(super) fn keepalive(&mut self, now: Duration, from: SocketAddr, character: NameChar) -> bool {
        let verdict = self.verdict(now, Input::KeepAlive { from, character }, |_| true);
        assert!(!matches!(verdict, Verdict::Refused { tell: true, .. }));
        verdict == Verdict::Known
    }

    pub(super) fn keepalive_extended(&mut self, now: Duration, from: SocketAddr, version: u64) -> bool {
        self.verdict(now, Input::KeepAliveExtended { from, version }, |_| true) == Verdict::Known
    }

    pub(super) fn leave(
        &mut self,
        now: Duration,
        from: SocketAddr,
        time: u64,
        holds: impl FnOnce(&[u8; 32]) -> bool,
    ) -> bool {
        self.verdict(now, Input::Leave { from, time }, holds) == Verdict::Known
    }

    /// All that came is read, and the silent are looked for.
    pub(super) fn look(&mut self, now: Duration) {
        assert_eq!(self.feed(now, Input::Empty, |_| true), (Ok(()), vec![]));
        assert_eq!(self.feed(now, Input::Timeout, |_| true), (Ok(()), vec![]));
    }

    /// So many datagrams come that say nothing.
    pub(super) fn came(&mut self, now: Duration, datagrams: usize) {
        (0..datagrams).for_each(|_| self.directory.handle(Timestamp::at(now), Input::Traffic { len: 4 }).unwrap());
    }

    /// A member of the extended form that takes datagrams at `to` and sends its own from `from` has received what was sent to it:
    /// then it says so. What else was sent.
    pub(super) fn shows(&mut self, now: Duration, from: SocketAddr, to: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        let (pages, rest): (Vec<_>, Vec<_>) = self.sent(now).into_iter().partition(|(addr, _)| *addr == to);
        let page = pages.iter().find_map(|(_, bytes)| page_of(bytes)).expect("a page");
        assert!(self.keepalive_extended(now, from, page));
        rest
    }

    /// The version of the page of a member.
    pub(super) fn page_at(&mut self, addr: SocketAddr) -> u64 {
        page_of(&self.directory.member_at(addr).unwrap().page()).unwrap()
    }

    pub(super) fn restore(&mut self, now: Duration, saved: Saved) -> bool {
        self.directory.restore(Timestamp::at(now), saved)
    }

    /// All that goes out up to now.
    pub(super) fn sent(&mut self, now: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let next = || match self.feed(now, Input::Writable, |_| true).1.as_slice() {
            [] => None,
            [Output::Datagram { to, bytes }] => Some((*to, bytes.to_vec())),
            more => panic!("one, as there is room for one: {more:?}"),
        };
        std::iter::from_fn(next).collect()
    }
}
