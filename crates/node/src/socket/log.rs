//! Giving the log, and what comes.

use std::collections::VecDeque;
use std::io;

use rumormill_api::Reply;

use super::lines::Out;
use crate::follow::Next;
use crate::handle::NodeHandle;
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
    let wanted = |message: &Message| room.as_ref().is_none_or(|room| message.room == *room.as_str());
    let mut following = node.follow().await;
    let mut tail = VecDeque::new();
    let mut after = None;
    loop {
        let (page, next) = match following.page(after).await {
            Ok(page) => page,
            Err(error) => return out.say(&Reply::Error(error.to_string())).await,
        };
        for message in page.into_iter().filter(wanted) {
            match last {
                None => out.put(&line(node, &message)).await?,
                Some(last) => {
                    tail.push_back(message);
                    tail.drain(..tail.len().saturating_sub(last));
                }
            }
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    for message in tail {
        out.put(&line(node, &message)).await?;
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

pub(super) fn line(node: &NodeHandle, message: &Message) -> Reply {
    let author = &message.place.origin.node;
    Reply::Line(message.line(node.name_of(author), node.is_revoked(author)))
}
