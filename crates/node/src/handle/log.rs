//! Reading the log of a node.

use rumormill_store::{OrderKey, StoreError};

use super::NodeHandle;
use crate::doors::Mark;
use crate::lock;
use crate::view::{Message, Place, Rules};

/// Messages read from the store at once: of the longest, 8 MiB.
pub const MAX_PAGE: usize = 256;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The task that had to do it was ended: the program goes, or it broke.
    #[error("the task that works on the store ended: {0}")]
    Ended(String),
}

impl NodeHandle {
    /// What hides messages right now.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let hub = &self.0.hub;
        Rules { limits: hub.with_engine(|engine| engine.limits().collect()), wall_us: hub.wall_us() }
    }

    /// The next messages of the log after a place, at most `max` of them; fewer only at the end of the log.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self, after: Option<Place>, max: usize) -> Result<Vec<Message>, LogError> {
        let (pages, rules) = (self.0.hub.disk.pages(), self.rules());
        let task = move || {
            let mut reader = lock(&pages);
            let mut after = after.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
            let mut shown = Vec::new();
            while shown.len() < max {
                let wanted = max.saturating_sub(shown.len()).min(MAX_PAGE);
                let entries = reader.page(after, wanted)?;
                let more = entries.len() == wanted;
                after = entries.last().map(|entry| entry.key).or(after);
                shown.extend(entries.into_iter().filter_map(|entry| rules.entry(entry)));
                if !more {
                    break;
                }
            }
            Ok(shown)
        };
        tokio::task::spawn_blocking(task).await.map_err(|why| LogError::Ended(why.to_string()))?
    }

    /// The texts of the common room, in order: what the classroom interface shows. What came through a door of an older
    /// protocol bears the network's mark and the claimed sender, and is one word: programs that split the log at white space
    /// and show the first piece would otherwise show a mark and hide all behind it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn chat_log(&self) -> Result<Vec<String>, LogError> {
        let mark = Mark::of(&self.0.endpoint.network());
        let mut log = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(after, MAX_PAGE).await?;
            let more = page.len() == MAX_PAGE;
            after = page.last().map(|message| message.place);
            let shown = page.into_iter().filter(|m| m.kind.is_text() && m.room.as_raw().is_empty());
            log.extend(shown.map(|message| match message.through {
                Some(_) => mark.word(&message.sender(""), message.text.as_raw()),
                None => message.text.into_raw(),
            }));
            if !more {
                return Ok(log);
            }
        }
    }
}
