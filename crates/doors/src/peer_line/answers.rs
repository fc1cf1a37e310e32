//! How long an answer to the question who is online may be; without IO or clock.
//!
//! An address in a datagram proves nothing, nor does it that the address is in the table: whoever forges the one has read the other. So
//! all answers that are longer than their question come out of one share ([`ANSWERS`]). Where it is used up an answer is no
//! longer than the question: nobody who asks waits in silence, and nobody is sent more than was sent in its name.

use std::net::SocketAddr;

use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::peer_line::{MAX_ANSWER_LEN, Online};

use super::table::PeerTable;
use crate::address::canonical;
use crate::shares::{Share, Shares};

/// How many times longer than the question an answer to a stranger may be.
pub(super) const FACTOR: usize = 5;
/// Bytes of the answers that are longer than their question. Ten of the longest at once for an address and port and one a second
/// after; eight times that for a network; four times that again for all.
pub(super) const ANSWERS: Share =
    Share { each: Rate::new(12_000, 1_200), network: Rate::new(96_000, 9_600), all: Rate::new(384_000, 38_400) };

/// The addresses as they were at one version of the table, and what is left of the share.
#[derive(Debug)]
pub(super) struct Answers {
    version: u64,
    addresses: Vec<SocketAddr>,
    shares: Shares,
}

impl Answers {
    /// Nobody has asked yet.
    pub(super) const fn new() -> Self {
        Self { version: u64::MAX, addresses: Vec::new(), shares: Shares::new(ANSWERS) }
    }

    /// The answer to a question of so many bytes.
    pub(super) fn answer(&mut self, now: Timestamp, table: &PeerTable, from: SocketAddr, asked: usize) -> Vec<u8> {
        if self.version != table.version() {
            (self.version, self.addresses) = (table.version(), table.listed());
        }
        let from = canonical(from);
        // One that somebody else named is listed, but it has not said that it wants anything of us.
        let member = table.get(from).is_some_and(|peer| peer.dial);
        let answer = self.encode(if member { MAX_ANSWER_LEN } else { asked.saturating_mul(FACTOR) });
        if answer.len() <= asked || self.shares.take(now, from, answer.len()).is_ok() {
            return answer;
        }
        self.encode(asked)
    }

    /// Answers that were cut to the length of their question.
    pub(super) const fn held(&self) -> u64 {
        self.shares.held()
    }

    fn encode(&self, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        // The table holds no address with port 0, which alone has no form.
        let _ = Online::encode(self.addresses.iter().copied(), most, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::peer_line::WHO_IS_ONLINE;

    use super::super::table::AddressForm;
    use super::*;

    const ASKED: usize = WHO_IS_ONLINE.len();
    const SECONDS: u64 = 10;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A table with many addresses and these.
    fn table(more: impl Iterator<Item = SocketAddr>) -> PeerTable {
        let mut table = PeerTable::new(at("127.0.0.1:8080"));
        for port in 10_000..10_100 {
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            table.name(addr, AddressForm::Plain, addr.ip(), addr.ip(), true);
        }
        for addr in more {
            table.name(addr, AddressForm::Plain, addr.ip(), addr.ip(), true);
        }
        table
    }

    /// Bytes that ten seconds of questions bring those in whose name they are asked, beyond what was sent in it.
    fn flood(table: &PeerTable, victims: &[SocketAddr]) -> u64 {
        let (mut answers, mut bytes) = (Answers::new(), 0);
        for now in (0..SECONDS * 1_000).step_by(5) {
            for victim in victims {
                let len = answers.answer(Timestamp(now * 1_000), table, *victim, ASKED).len();
                bytes += u64::try_from(len.saturating_sub(ASKED)).unwrap();
            }
        }
        assert!(answers.held() > 0);
        bytes
    }

    #[test]
    fn questions_in_forged_names_bring_an_address_a_network_and_all_no_more_than_a_share() {
        let within = |bytes: u64, burst: u64, per_s: u64| {
            let most = burst + SECONDS * per_s;
            assert!((most / 2..=most).contains(&bytes), "{bytes} of {most}");
        };
        let one = [at("192.0.2.1:9")];
        within(flood(&table(one.into_iter()), &one), 12_000, 1_200);
        let near: Vec<_> = (0..60).map(|n| SocketAddr::from(([192, 0, 2, n], 9))).collect();
        within(flood(&table(near.iter().copied()), &near), 96_000, 9_600);
        let ports: Vec<_> = (1..60).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect();
        within(flood(&table(ports.iter().copied()), &ports), 96_000, 9_600);
        let far: Vec<_> = (0..60).map(|n| SocketAddr::from(([n + 1, 0, 2, 1], 9))).collect();
        within(flood(&table(far.iter().copied()), &far), 384_000, 38_400);
        // Strangers, with every address there is.
        let strangers: Vec<_> = (0..250).map(|n| SocketAddr::from(([n, 9, 2, 1], 9))).collect();
        within(flood(&table(std::iter::empty()), &strangers), 384_000, 38_400);
    }

    #[test]
    fn whoever_asks_now_and_then_gets_all_and_is_answered_under_a_flood_too() {
        let (honest, victim) = (at("198.51.100.7:8080"), at("127.0.0.1:10001"));
        let (table, mut answers) = (table([honest].into_iter()), Answers::new());
        for second in 0..30 {
            let now = Timestamp(second * 2_000_000);
            assert!(answers.answer(now, &table, honest, ASKED).len() > 1_150, "at {second}");
            (0..500).for_each(|_| drop(answers.answer(now, &table, victim, ASKED)));
        }
        let now = Timestamp(70_000_000);
        let lens: Vec<_> = (0..20).map(|_| answers.answer(now, &table, honest, ASKED).len()).collect();
        assert!(lens[..10].iter().all(|len| *len > 1_150), "{lens:?}");
        assert!(lens[11..].iter().all(|len| *len <= ASKED), "{lens:?}");
        // Whoever pays for it gets it.
        assert!(answers.answer(now, &table, honest, 1_000).len() > 900);
    }

    #[test]
    fn whoever_was_named_by_somebody_else_is_a_stranger() {
        let (mut table, mut answers) = (table(std::iter::empty()), Answers::new());
        let victim = at("192.0.2.1:53");
        let by = at("198.51.100.7:1").ip();
        table.name(victim, AddressForm::Plain, by, by, true);
        assert!(table.listed().contains(&victim));
        assert!(answers.answer(Timestamp::ZERO, &table, victim, ASKED).len() <= FACTOR * ASKED);
    }
}
