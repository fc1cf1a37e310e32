//! A link at work: one task reads and feeds the engine, one writes what the engine puts into the outbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_transport::endpoint::Opened;
use rumormill_transport::{LinkError, LinkReader, LinkWriter};
use rumormill_wire::native::{ByeCode, Frame, kind};

use super::greet::{self, Greeting};
use crate::clock::seconds;
use crate::counters::Counters;
use crate::hub::{Admission, BANNED, Hub};
use crate::link::{Direction, Ended, Facts, GreetError, Link, Piece, Seat};

/// How long the link that is there already has to answer a PING when another with the same peer comes.
const RIVAL_PING: Duration = Duration::from_secs(1);
/// How long a reader goes on after our BYE was written, for the peer to close first.
const LINGER: Duration = Duration::from_millis(200);

/// Greets, joins and serves a link until it ends. `seat` is its place among those that greet, kept until it is up; who is
/// turned out of it is dropped here.
///
/// # Errors
/// Why the link never came up. One that was up and ended is no error; how it ended is given.
pub(crate) async fn run(
    hub: &Arc<Hub>,
    opened: Opened,
    direction: Direction,
    greeting: &Greeting,
    max_links: usize,
    seat: Option<Seat>,
) -> Result<Ended, GreetError> {
    let Opened { mut reader, mut writer, peer, ours_until } = opened;
    if hub.was_told_all(&peer.node()) {
        // The process is about to end, and a refusal would be a farewell.
        std::future::pending::<()>().await;
    }
    if let Some(left) = hub.banned_s(&peer.node()) {
        // Not even our HELLO: what it says is not waited for.
        let (code, reason) = BANNED;
        greet::refuse(writer, code, reason, left).await;
        return Err(GreetError::Refused { code, reason });
    }
    let greeted = match greet::exchange(greeting, &mut reader, &mut writer).await {
        _ if peer.node() == hub.checker.me => Err(GreetError::Ourselves),
        other => other,
    };
    if let Err(error) = greeted {
        if error.is_breach() {
            hub.breach_in_greeting(peer.node());
        }
        if let Some((code, reason)) = error.bye() {
            greet::refuse(writer, code, reason, 0).await;
        }
        return Err(error);
    }
    hub.checker.names.learn(peer.node(), peer.name());
    let facts = Facts {
        peer: peer.node(),
        name: peer.name().to_owned(),
        addr: peer.addr(),
        direction,
        tls_version: peer.tls().version.to_owned(),
        tls_group: peer.tls().group.clone(),
        certificate: peer.certificate().clone(),
        until: seconds(peer.until()),
        ours_until: seconds(ours_until),
    };
    let link = Arc::new(Link::new(hub.next_link(), facts, hub.clock.now()));
    let mut older = None;
    loop {
        match hub.admit(&link, older, max_links) {
            Admission::Up => break,
            Admission::Refused { code, reason, retry_after_s } => {
                greet::refuse(writer, code, reason, retry_after_s).await;
                return Err(GreetError::Refused { code, reason });
            }
            Admission::Test(other) => {
                if answers_ping(hub, &other).await {
                    let (code, reason) = (ByeCode::DUPLICATE, "another link with this peer is kept");
                    greet::refuse(writer, code, reason, 0).await;
                    return Err(GreetError::Refused { code, reason });
                }
                older = Some(other.id);
            }
        }
    }
    // In a task of its own: a link that is up is taken down by itself alone.
    let hub = Arc::clone(hub);
    let serving = tokio::spawn(async move { serve(&hub, &link, reader, writer).await });
    drop(seat);
    Ok(serving.await.unwrap_or_else(|_| Ended::passing("the link's task ended")))
}

async fn answers_ping(hub: &Hub, link: &Link) -> bool {
    let asked = hub.clock.now();
    link.send_own(&Frame::Ping(asked.0));
    let deadline = tokio::time::Instant::now() + RIVAL_PING;
    while tokio::time::Instant::now() < deadline && !link.is_closed() {
        if link.heard_at() > asked {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn serve(hub: &Arc<Hub>, link: &Arc<Link>, reader: LinkReader, writer: LinkWriter) -> Ended {
    let Facts { name, addr, direction, .. } = &link.facts;
    tracing::info!(peer = %name, %addr, %direction, group = %link.facts.tls_group, "link up");
    Counters::add(&hub.counters.links_up, 1);
    let writing = tokio::spawn(write(Arc::clone(hub), Arc::clone(link), writer));
    let ended = read(hub, link, reader).await;
    hub.link_down(link);
    let _ = writing.await;
    Counters::add(&hub.counters.links_down, 1);
    if *hub.stopping().borrow() {
        // Said once for all of them.
        tracing::debug!(peer = %name, %addr, reason = ended.reason, said = ended.said(), "link down");
    } else {
        tracing::info!(peer = %name, %addr, reason = ended.reason, said = ended.said(), "link down");
    }
    ended
}

/// Reads until the end; says why it came.
async fn read(hub: &Hub, link: &Link, mut reader: LinkReader) -> Ended {
    let mut closing = link.closing();
    let closed = async move {
        let _ = closing.wait_for(|closed| *closed).await;
    };
    tokio::pin!(closed);
    loop {
        link.allowance().await;
        let frame = tokio::select! {
            biased;
            () = &mut closed => return Ended::passing("closed here"),
            frame = reader.next_frame() => frame,
        };
        match frame {
            Ok(Some(frame)) => {
                if let Some(ended) = take(hub, link, frame) {
                    return ended;
                }
            }
            Ok(None) => return Ended::passing("closed by the peer"),
            Err(error) => {
                if matches!(error, LinkError::Frame(_)) {
                    hub.breach(link, "a frame of a length that no frame has");
                    tracing::warn!(peer = %link.facts.name, %error, "a neighbour broke the protocol");
                    let _ = tokio::time::timeout(LINGER, closed).await;
                }
                return Ended::from(&error);
            }
        }
    }
}

/// One frame: to the engine, or for the shell itself. Gives a reason if the link ends with it.
fn take(hub: &Hub, link: &Link, frame: Bytes) -> Option<Ended> {
    link.hear(hub.clock.now(), frame.len());
    match frame.first().copied() {
        Some(kind::PING) => match Frame::decode(&frame) {
            Ok(Frame::Ping(nonce)) => link.send_own(&Frame::Pong(nonce)),
            _ => drop(hub.drive(Input::Frame { link: link.id, bytes: frame })),
        },
        Some(kind::PONG) if Frame::decode(&frame).is_ok() => {}
        Some(kind::BYE) => {
            if let Ok(Frame::Bye(bye)) = Frame::decode(&frame) {
                if bye.code == ByeCode::DUPLICATE {
                    link.set_replaced();
                }
                return Some(Ended::by(bye));
            }
            let _ = hub.drive(Input::Frame { link: link.id, bytes: frame });
        }
        first => {
            if first == Some(kind::RUMOR) && !hub.is_sealed() {
                link.take_allowance(frame.len());
            }
            let _ = hub.drive(Input::Frame { link: link.id, bytes: frame });
        }
    }
    None
}

async fn write(hub: Arc<Hub>, link: Arc<Link>, mut writer: LinkWriter) {
    while let Some(batch) = link.next_batch().await {
        match writer.send(batch.pieces.iter().map(Piece::as_ref)).await {
            Ok(bytes) => link.wrote(bytes),
            Err(error) => {
                tracing::info!(peer = %link.facts.name, %error, "cannot write to a neighbour");
                break;
            }
        }
        if batch.credit > 0 {
            let _ = hub.drive(Input::Writable { link: link.id, bytes: batch.credit });
        }
    }
    if link.is_cut() && !link.is_closed() {
        // The reader ends the link once the peer has read all and closes.
        return writer.cut().await;
    }
    writer.close().await;
    link.close_now();
}
