//! The datagram that asks who is online, and its answer.
//!
//! An address in a datagram proves nothing, so an answer that is much longer than the question would serve to flood others
//! ([`super::answers`]). Who is not in the table gets at most a few times the length of what it sent, and the question may be padded.

use rumormill_limits::{Clock, Rate};
use rumormill_wire::peer_line::{Online, is_question, trim};
use tokio::net::UdpSocket;
use tracing::debug;

use super::answers::Answers;
use super::shared::{Shared, Sink};
use crate::counters::Counters;
use crate::limits::ByAddress;

/// Questions of one address, loopback aside: 20 at once and 10 a second.
const QUESTIONS: Rate = Rate::new(20, 10);
/// What is read of a datagram.
const DATAGRAM: usize = 2_048;

/// Answers until the task is dropped.
pub(super) async fn serve<S: Sink>(socket: &UdpSocket, shared: Shared<S>) {
    let by_address = ByAddress::new(QUESTIONS);
    let (mut answers, clock) = (Answers::new(), Clock::start());
    let mut buffer = [0; DATAGRAM];
    loop {
        let (len, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(why) => {
                // The system tells of an earlier answer that found nobody.
                debug!(%why, "peer-line: datagram");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let datagram = buffer.get(..len).unwrap_or_default();
        Counters::add(&shared.counters.bytes_in, len);
        if is_question(datagram) {
            let ip = from.ip().to_canonical();
            if !ip.is_loopback() && !by_address.allows(ip) {
                Counters::one(&shared.counters.refused_rate);
                continue;
            }
            let held = answers.held();
            let answer = answers.answer(clock.now(), &shared.table(), from, len);
            if answers.held() > held {
                Counters::one(&shared.counters.held_back);
            }
            if let Ok(sent) = socket.try_send_to(&answer, from) {
                Counters::add(&shared.counters.bytes_out, sent);
            }
        } else if let Ok(online) = Online::parse(trim(datagram)) {
            shared.sink.answer(from, online);
        } else {
            Counters::one(&shared.counters.malformed);
        }
    }
}
