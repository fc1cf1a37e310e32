//! Giving the log, and what comes.

use std::collections::{HashMap, VecDeque};
use std::io;

use rumormill_wire::Origin;
use tokio::sync::broadcast::error::RecvError;

use super::lines::Out;
use crate::handle::{MAX_PAGE, NodeHandle};
use crate::socket::Reply;
use crate::view::Message;

/// Messages that `log` can be asked for by `last`.
pub(super) const MAX_LAST: usize = 100_000;

/// What of the log is asked for.
pub(super) struct Wanted {
    pub(super) follow: bool,
    pub(super) room: Option<String>,
    pub(super) last: Option<usize>,
    pub(super) mark: bool,
}

pub(super) async fn log(node: &NodeHandle, out: &mut Out, asked: Wanted) -> io::Result<()> {
    let Wanted { follow, room, last, mark } = asked;
    // Following begins before the log is read, so that nothing falls between; what is in both is shown once.
    let mut coming = follow.then(|| node.subscribe());
    let wanted = |message: &Message| room.as_ref().is_none_or(|room| message.room == *room.as_str());
    let mut shown: HashMap<Origin, u64> = HashMap::new();
    let mut tail = VecDeque::new();
    let mut after = None;
    loop {
        let page = match node.page(after, MAX_PAGE).await {
            Ok(page) => page,
            Err(error) => return out.say(&Reply::Error(error.to_string())).await,
        };
        after = page.last().map(|message| message.place).or(after);
        let more = page.len() == MAX_PAGE;
        for message in page {
            let seq = shown.entry(message.place.origin).or_default();
            *seq = (*seq).max(message.place.seq.0);
            if !wanted(&message) {
                continue;
            }
            match last {
                None => out.put(&line(node, &message)).await?,
                Some(last) => {
                    tail.push_back(message);
                    tail.drain(..tail.len().saturating_sub(last));
                }
            }
        }
        if !more {
            break;
        }
    }
    for message in tail {
        out.put(&line(node, &message)).await?;
    }
    if follow && mark {
        out.put(&Reply::Current {}).await?;
    }
    out.flush().await?;
    while let Some(coming) = &mut coming {
        let committed = tokio::select! {
            () = node.stopped() => break,
            committed = coming.recv() => committed,
        };
        match committed {
            Ok(committed) => {
                for message in node.rules().bundle(&committed) {
                    let seen = shown.get(&message.place.origin).is_some_and(|seq| message.place.seq.0 <= *seq);
                    if !seen && wanted(&message) {
                        out.put(&line(node, &message)).await?;
                    }
                }
                out.flush().await?;
            }
            Err(RecvError::Lagged(bundles)) => out.say(&Reply::Missed { bundles }).await?,
            Err(RecvError::Closed) => break,
        }
    }
    out.say(&Reply::End {}).await
}

pub(super) fn line(node: &NodeHandle, message: &Message) -> Reply {
    Reply::Line(message.line(node.name_of(&message.place.origin.node)))
}
