//! A log that is followed step by step, by those who must know where what was ends and what comes begins.

use super::{Client, ClientError, Reply, Request};
use crate::view::LogLine;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A message.
    Line(Box<LogLine>),
    /// All that was in the log has been given.
    Current,
    /// Some were missed because this client was too slow: following again gives them, with all others.
    Missed(u64),
    /// The node stops.
    End,
}

/// A log that is followed.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    /// What was in the log has been given: what comes next may take any time.
    current: bool,
}

impl Client {
    /// Follows one room, or all, from the first message on.
    ///
    /// # Errors
    /// The node went away.
    pub async fn follow(mut self, room: Option<&str>) -> Result<Follower, ClientError> {
        let room = room.map(str::to_owned);
        self.put(&Request::Log { follow: true, room, last: None, mark: true }).await?;
        Ok(Follower { client: self, current: false })
    }
}

impl Follower {
    /// Waits for the next step. Must not be dropped before it is done.
    ///
    /// # Errors
    /// The store cannot be read, or the node went away.
    pub async fn next(&mut self) -> Result<Step, ClientError> {
        let within = (!self.current).then_some(self.client.patience.slow);
        match self.client.next(within).await? {
            Reply::Line(line) => Ok(Step::Line(Box::new(line))),
            Reply::Current {} => {
                self.current = true;
                Ok(Step::Current)
            }
            Reply::Missed { messages } => Ok(Step::Missed(messages)),
            Reply::End {} => Ok(Step::End),
            _ => Err(ClientError::Answer),
        }
    }
}
