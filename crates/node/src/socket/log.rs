//! Giving the log, and what comes.

use std::collections::VecDeque;
use std::io;

use rumormill_api::Reply;

use super::lines::Out;
use crate::follow::{Follow, Next};
use crate::handle::{LogError, NodeHandle};
use crate::view::{Message, Place};

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
    let wanted = |message: &Message| room.as_ref().is_none_or(|room| message.room == *room.as_str());
    let mut following = node.follow().await;
    let mut after = None;
    if let Some(last) = last {
        after = match before_the_last(&following, last, wanted).await {
            Ok(after) => after,
            Err(error) => return out.say(&Reply::Error(error.to_string())).await,
        };
    }
    loop {
        let (page, next) = match following.page(after).await {
            Ok(page) => page,
            Err(error) => return out.say(&Reply::Error(error.to_string())).await,
        };
        for message in page.into_iter().filter(wanted) {
            out.put(&line(node, &message)).await?;
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    if !follow {
        return out.say(&Reply::End {}).await;
    }
    if mark {
        out.put(&Reply::Current {}).await?;
    }
    following.forget_so_far();
    out.flush().await?;
    loop {
        match following.next().await {
            Next::Messages(messages) => {
                for message in messages.iter().filter(|message| wanted(message)) {
                    out.put(&line(node, message)).await?;
                }
                out.flush().await?;
            }
            Next::Missed(messages) => out.say(&Reply::Missed { messages }).await?,
            Next::End => return out.say(&Reply::End {}).await,
        }
    }
}

/// The place behind which the last `last` of those messages stand. Places are kept and no texts, which may be long.
async fn before_the_last(
    following: &Follow,
    last: usize,
    wanted: impl Fn(&Message) -> bool,
) -> Result<Option<Place>, LogError> {
    let (mut places, mut after) = (VecDeque::new(), None);
    loop {
        let (page, next) = following.page(after).await?;
        for message in page.into_iter().filter(&wanted) {
            places.push_back(message.place);
            places.drain(..places.len().saturating_sub(last.saturating_add(1)));
        }
        if next.is_none() {
            let more = places.len() > last;
            return Ok(places.pop_front().filter(|_| more));
        }
        after = next;
    }
}

pub(super) fn line(node: &NodeHandle, message: &Message) -> Reply {
    let author = &message.place.origin.node;
    Reply::Line(message.line(node.name_of(author), node.is_revoked(author)))
}
