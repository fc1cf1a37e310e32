//! The datagram that asks who is online, and its answer.
//!
//! An address in a datagram proves nothing, so an answer that is much longer than the question would serve to flood others.
//! Who is not in the table gets at most a few times the length of what it sent, and the question may be padded.

use std::net::SocketAddr;

use rumormill_limits::Rate;
use rumormill_wire::peer_line::{MAX_ANSWER_LEN, Online, is_question, trim};
use tokio::net::UdpSocket;
use tracing::debug;

use super::shared::{Shared, Sink};
use crate::counters::Counters;
use crate::limits::ByAddress;

/// How many times longer than the question an answer to a stranger may be.
pub(super) const FACTOR: usize = 5;
/// Questions of one address, loopback aside: 20 at once and 10 a second.
const QUESTIONS: Rate = Rate::new(20, 10);
/// What is read of a datagram.
const DATAGRAM: usize = 2_048;

/// The addresses as they were at one version of the table.
struct Known {
    version: u64,
    addresses: Vec<SocketAddr>,
}

/// Answers until the task is dropped.
pub(super) async fn serve<S: Sink>(socket: &UdpSocket, shared: Shared<S>) {
    let by_address = ByAddress::new(QUESTIONS);
    let mut known = Known { version: u64::MAX, addresses: Vec::new() };
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
            let answer = answer(&shared, &mut known, from, len);
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

fn answer<S: Sink>(shared: &Shared<S>, known: &mut Known, from: SocketAddr, asked: usize) -> Vec<u8> {
    let member = {
        let table = shared.table();
        if known.version != table.version() {
            *known = Known { version: table.version(), addresses: table.listed() };
        }
        table.get(SocketAddr::new(from.ip().to_canonical(), from.port())).is_some()
    };
    let most = if member { MAX_ANSWER_LEN } else { asked.saturating_mul(FACTOR) };
    let mut out = Vec::new();
    // The table holds no address with port 0, which alone has no form.
    let _ = Online::encode(known.addresses.iter().copied(), most, &mut out);
    out
}
