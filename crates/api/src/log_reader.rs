//! Reading a node's log, and with `follow` what comes.
//!
//! This is the one way outside a node. The node itself reads its log for each reader of the socket, and for its doors, in one
//! way too (`rumormill_node::follow`): what was up to a moment, then what comes, each message once. What comes here is that,
//! less the rooms that were not asked for.

use std::time::Duration;

use crate::client::Client;
use crate::error::ClientError;
use crate::line::LogLine;
use crate::reply::Reply;
use crate::request::Request;

/// What of the log is wanted; by default all of it so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// The name of the one room that is wanted; empty is the common one, `None` is all.
    pub room: Option<String>,
    /// Only the last so many.
    pub last: Option<usize>,
    /// Go on with what comes.
    pub follow: bool,
}

/// What comes next of a log that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A message.
    Line(Box<LogLine>),
    /// All that was in the log has been given, and what comes follows.
    Current,
    /// Some were missed because this client was too slow: following again gives them, with all others.
    Missed(u64),
    /// The log ends here: all of it was given or, if it is followed, the node stops.
    End,
}

/// A log that is read, and perhaps followed, step by step.
#[derive(Debug)]
pub struct LogReader {
    client: Client,
    /// Within which time the next step has to begin, if it has to.
    begins: Option<Duration>,
}

impl Client {
    /// Begins to read the log; [`LogReader::next`] gives it. Uses the connection up until its end.
    ///
    /// # Errors
    /// The node went away.
    pub async fn log(mut self, query: LogQuery) -> Result<LogReader, ClientError> {
        let LogQuery { room, last, follow } = query;
        // A part of a log may begin far behind.
        let all = room.is_none() && last.is_none();
        let begins = Some(if all { self.patience.answer } else { self.patience.slow });
        self.put(&Request::Log { follow, room, last, mark: follow }).await?;
        Ok(LogReader { client: self, begins })
    }
}

impl LogReader {
    /// Waits for the next step. Must not be dropped before it is done, nor called after [`Step::End`].
    ///
    /// # Errors
    /// The store cannot be read, or the connection broke: [`LogReader::why_ended`] says why.
    pub async fn next(&mut self) -> Result<Step, ClientError> {
        match self.client.next(self.begins).await? {
            Reply::Line(line) => Ok(Step::Line(Box::new(line))),
            Reply::Current {} => {
                // What comes now may take any time.
                self.begins = None;
                Ok(Step::Current)
            }
            Reply::Missed { messages } => Ok(Step::Missed(messages)),
            Reply::End {} => Ok(Step::End),
            _ => Err(ClientError::Answer),
        }
    }

    /// For people, why [`LogReader::next`] failed: a node that still answers has let us go because we took nothing. Asks it once.
    pub async fn why_ended(&self, why: ClientError) -> ClientError {
        match why {
            ClientError::Io(why) => self.client.why_broken(why).await,
            why => why,
        }
    }

    /// The connection, to ask for something else once the log has ended.
    #[must_use]
    pub fn into_client(self) -> Client {
        self.client
    }
}
