//! Reads the room for a menu: what was, up to now, and then what comes, until the node is gone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rumormill_api::{Client, ClientError, LogQuery, LogReader, Step};
use rumormill_doors::DoorError;
use rumormill_wire::peer_line::mesh::ROOM;
use tokio::sync::{mpsc, watch};

use super::errors::{broken, gone};
use super::room::{Room, lock};

/// Reads the room.
#[derive(Debug)]
pub(crate) struct Follow {
    socket: PathBuf,
    reader: LogReader,
    room: Arc<Mutex<Room>>,
    /// Takes what is to be shown.
    show: mpsc::Sender<Result<String, DoorError>>,
    /// Told of each message that was taken.
    news: watch::Sender<()>,
}

async fn follow(socket: &Path) -> Result<LogReader, ClientError> {
    Client::connect(socket).await?.log(LogQuery { room: Some(ROOM.to_owned()), last: None, follow: true }).await
}

impl Follow {
    /// Begins, and takes all that was said so far.
    ///
    /// # Errors
    /// The node is gone, or cannot read its log.
    pub(crate) async fn begin(
        socket: PathBuf,
        room: Arc<Mutex<Room>>,
        show: mpsc::Sender<Result<String, DoorError>>,
    ) -> Result<Self, DoorError> {
        let reader = follow(&socket).await.map_err(broken)?;
        let mut follow = Self { socket, reader, room, show, news: watch::Sender::new(()) };
        loop {
            match follow.reader.next().await.map_err(broken)? {
                Step::Line(line) => drop(lock(&follow.room).take(&line)),
                Step::Current => return Ok(follow),
                Step::Missed(_) => {}
                Step::End => return Err(gone("the node stops")),
            }
        }
    }

    /// Where it is told that something was taken.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Takes what comes, until the node is gone or nobody looks any more.
    pub(crate) async fn run(mut self) {
        // Whether this connection gave more than the log that it begins with: then another one may be tried.
        let mut served = true;
        loop {
            let step = self.reader.next().await;
            let again = match step {
                Ok(Step::Line(line)) => {
                    let shown = lock(&self.room).take(&line);
                    self.news.send_replace(());
                    if let Some(text) = shown
                        && self.show.send(Ok(text)).await.is_err()
                    {
                        return;
                    }
                    continue;
                }
                Ok(Step::Current) => {
                    served = true;
                    continue;
                }
                Ok(Step::End) => Err(gone("the node stops")),
                // The log is read again: what is known of it changes nothing.
                Ok(Step::Missed(_)) => follow(&self.socket).await.map_err(broken),
                // So does a node that lets go of a follower whose screen stood still for long.
                Err(_) if served => follow(&self.socket).await.map_err(broken),
                Err(why) => Err(broken(why)),
            };
            match again {
                Ok(reader) => (self.reader, served) = (reader, false),
                Err(why) => {
                    let _ = self.show.send(Err(why)).await;
                    return;
                }
            }
        }
    }
}
