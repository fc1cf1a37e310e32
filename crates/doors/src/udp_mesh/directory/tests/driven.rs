//! The directory as its driver sees it, with somebody who checks signatures.

use super::*;

/// What became of a BIRTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    Known,
    Refused { why: Refusal, tell: bool },
}

/// A directory with somebody who checks signatures, and what it said.
pub(super) struct Driven {
    pub(super) directory: Directory,
    pub(super) gone: Vec<SocketAddr>,
}

impl std::ops::Deref for Driven {
    type Target = Directory;
    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Driven {
    pub(super) fn new(limits: Limits, version: u64) -> Self {
        Self { directory: Directory::new(limits, version), gone: Vec::new() }
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

    pub(super) fn look(&mut self, now: Duration) {
        assert_eq!(self.feed(now, Input::Timeout, |_| true), (Ok(()), vec![]));
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
