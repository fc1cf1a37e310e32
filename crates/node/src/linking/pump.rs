//! A link at work: one task reads and feeds the engine, one writes what the engine puts into the outbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_machine::{Piece, Route, route};
use rumormill_peering::Ended;
use rumormill_transport::endpoint::Opened;
use rumormill_transport::{LinkError, LinkReader, LinkWriter};
use rumormill_wire::native::{ByeCode, Frame};

use super::entry::Entry;
use super::greet::{self, Greeting};
use crate::clock::seconds;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::link::{Facts, GreetError, Link, of_link, said};

/// How long a reader goes on after our BYE was written, for the peer to close first: a round trip. What is unread when we close makes
/// the system send a reset, which takes back what the peer has not read yet, the BYE with it.
const LINGER: Duration = Duration::from_millis(200);
/// The same where the node ends: it gives what it wrote before its BYE, and the peer may be busy.
const LINGER_LEAVING: Duration = Duration::from_secs(1);
/// For so long what has come from a neighbour that cannot be written to is still read: its end comes with it.
const READ_OUT: Duration = Duration::from_secs(5);

/// Greets, joins and serves a link until it ends.
///
/// # Errors
/// Why the link never came up. One that was up and ended is no error; how it ended is given.
pub(crate) async fn run(opened: Opened, entry: Entry, greeting: &Greeting) -> Result<Ended, GreetError> {
    let Opened { mut reader, mut writer, peer, ours_until } = opened;
    let mut entry = entry;
    let driver = Arc::clone(&entry.driver);
    let facts = Facts {
        peer: peer.node(),
        name: peer.name().to_owned(),
        addr: peer.addr(),
        direction: entry.direction,
        tls_version: peer.tls().version.to_owned(),
        tls_group: peer.tls().group.clone(),
        evidence: entry.evidence.clone(),
        until: seconds(peer.until()),
        ours_until: seconds(ours_until),
    };
    let link = match join(&mut entry, greeting, facts, (&mut reader, &mut writer)).await {
        Ok(link) => link,
        Err(error) => {
            if let Some(told) = error.farewell() {
                greet::refuse(writer, told).await;
            }
            return Err(error);
        }
    };
    // In a task of its own: a link that is up is taken down by itself alone.
    let serving = tokio::spawn(async move { serve(&driver, &link, reader, writer).await });
    Ok(serving.await.unwrap_or_else(|_| Ended::passing("the link's task ended")))
}

/// Says HELLO and hears one, if both sides are to, and waits until the link is up.
async fn join(
    entry: &mut Entry,
    greeting: &Greeting,
    facts: Facts,
    (reader, writer): (&mut LinkReader, &mut LinkWriter),
) -> Result<Arc<Link>, GreetError> {
    entry.greets().await?;
    let driver = &entry.driver;
    let refused = entry.refused();
    let first = tokio::select! {
        first = greet::exchange(greeting, reader, writer) => first,
        why = refused => return Err(why),
    };
    if first.as_ref().is_err_and(GreetError::is_breach) {
        driver.breach_in_greeting(entry.id);
    }
    let link = Arc::new(Link::new(entry.id, facts, driver.clock.now()));
    driver.hello(&link, &first?);
    entry.is_up().await?;
    Ok(link)
}

async fn serve(driver: &Arc<Driver>, link: &Arc<Link>, reader: LinkReader, writer: LinkWriter) -> Ended {
    let Facts { name, addr, direction, .. } = &link.facts;
    tracing::info!(peer = %name, %addr, %direction, group = %link.facts.tls_group, "link up");
    Counters::add(&driver.counters.links_up, 1);
    link.watch(reader.arrivals());
    let mut writing = tokio::spawn(write(Arc::clone(driver), Arc::clone(link), writer));
    let ended = read(driver, link, reader).await;
    link.set_read_out();
    // A farewell that waits is still written: one that has closed its own half reads it, and goes by what it says.
    let farewell = link.is_closing() && !link.is_closed();
    let written = farewell && tokio::time::timeout(LINGER, &mut writing).await.is_ok();
    driver.link_down(link);
    if !written {
        let _ = writing.await;
    }
    Counters::add(&driver.counters.links_down, 1);
    if *driver.stopping().borrow() {
        // Said once for all of them.
        tracing::debug!(peer = %name, %addr, reason = ended.reason, said = said(&ended), "link down");
    } else {
        tracing::info!(peer = %name, %addr, reason = ended.reason, said = said(&ended), "link down");
    }
    ended
}

/// Reads until the end; says why it came.
async fn read(driver: &Driver, link: &Link, mut reader: LinkReader) -> Ended {
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
                if let Some(ended) = take(driver, link, frame) {
                    return ended;
                }
            }
            Ok(None) => return Ended::passing("closed by the peer"),
            Err(error) => {
                if matches!(error, LinkError::Frame(_)) {
                    driver.breach(link, "a frame of a length that no frame has");
                    tracing::warn!(peer = %link.facts.name, %error, "a neighbour broke the protocol");
                    let _ = tokio::time::timeout(LINGER, closed).await;
                }
                return of_link(&error);
            }
        }
    }
}

/// One frame: to the engine, or for the shell itself. Gives a reason if the link ends with it.
fn take(driver: &Driver, link: &Link, frame: Bytes) -> Option<Ended> {
    link.hear(driver.clock.now(), frame.len());
    if link.was_awaited() {
        driver.heard(link);
    }
    let route = route(&frame);
    if link.is_closing() && !matches!(route, Route::Bye(_)) {
        // We have said goodbye: it is read so that our last words are.
        return None;
    }
    match route {
        Route::Ping(nonce) => link.send_own(&Frame::Pong(nonce)),
        Route::Pong => {}
        Route::Bye(bye) => {
            if bye.code == ByeCode::DUPLICATE {
                link.set_replaced();
            }
            return Some(Ended::by(bye));
        }
        Route::Gossip { charged } => {
            if !driver.is_sealed() {
                link.take_allowance(charged);
            }
            let _ = driver.drive(Input::Frame { link: link.id, bytes: frame });
        }
    }
    None
}

async fn write(driver: Arc<Driver>, link: Arc<Link>, mut writer: LinkWriter) {
    while let Some(batch) = link.next_batch().await {
        match writer.send(batch.pieces.iter().map(Piece::as_ref)).await {
            Ok(bytes) => link.wrote(bytes),
            Err(error) => {
                tracing::info!(peer = %link.facts.name, %error, "cannot write to a neighbour");
                // It may have said something and left: what has come is read to its end.
                let mut closing = link.closing();
                let _ = tokio::time::timeout(READ_OUT, closing.wait_for(|closed| *closed)).await;
                break;
            }
        }
        if batch.gossip > 0 {
            let _ = driver.drive(Input::Writable { link: link.id, bytes: batch.gossip });
        }
    }
    if link.is_cut() && !link.is_closed() {
        // The reader ends the link once the peer has read all and closes.
        return writer.cut().await;
    }
    writer.close().await;
    let leaving = *driver.stopping().borrow();
    let linger = if leaving { LINGER_LEAVING } else { LINGER };
    let ended = tokio::time::timeout(linger, link.ends()).await;
    if leaving && ended.is_err() {
        driver.farewell_unread(link.id);
    }
    link.close_now();
}
