//! Reading the log of a node.

use rumormill_gossip::Engine;
use rumormill_store::OrderKey;

use super::error::LogError;
use super::node::NodeHandle;
use crate::doors::Mark;
use crate::lock;
use crate::view::{Message, Place, Rules};

/// Messages read from the store at once: of the longest, 8 MiB.
pub const MAX_PAGE: usize = 256;

/// The first part of a chat log is of no more messages than this; the next ones are of more while they are short.
const MIN_PART: usize = 16;

/// Where the next part of a chat log begins; the default is its begin.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatPlace {
    after: Option<Place>,
    /// Messages of the part before.
    seen: usize,
}

impl NodeHandle {
    /// What hides messages right now.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let driver = &self.0.driver;
        Rules { limits: driver.with_engine(Engine::limits_now), wall_us: driver.wall_us() }
    }

    /// The next messages of the log after a place, at most `max` of them; fewer only at the end of the log.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self, after: Option<Place>, max: usize) -> Result<Vec<Message>, LogError> {
        let (pages, rules) = (self.0.driver.disk.pages(), self.rules());
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
        let (mut log, mut from) = (Vec::new(), ChatPlace::default());
        loop {
            let (texts, next) = self.chat_part(from, usize::MAX).await?;
            log.extend(texts);
            match next {
                Some(next) => from = next,
                None => return Ok(log),
            }
        }
    }

    /// The next part of [`NodeHandle::chat_log`]: texts of about `max` bytes, at most the longest one more, and where the
    /// next part begins, if the log does not end here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn chat_part(&self, from: ChatPlace, max: usize) -> Result<(Vec<String>, Option<ChatPlace>), LogError> {
        let mark = Mark::of(&self.0.endpoint.network());
        // Of long messages few are read only to be left for the next part.
        let wanted = from.seen.saturating_mul(2).clamp(MIN_PART, MAX_PAGE);
        let page = self.page(from.after, wanted).await?;
        let (mut more, mut after) = (page.len() == wanted, from.after);
        let (mut texts, mut bytes, mut seen) = (Vec::new(), 0_usize, 0_usize);
        for message in page {
            if bytes >= max {
                more = true;
                break;
            }
            (after, seen) = (Some(message.place), seen.saturating_add(1));
            if !message.kind.is_text() || !message.room.as_raw().is_empty() {
                continue;
            }
            let text = match message.through {
                Some(_) => mark.word(&message.sender(""), message.text.as_raw()),
                None => message.text.into_raw(),
            };
            bytes = bytes.saturating_add(text.len());
            texts.push(text);
        }
        Ok((texts, more.then_some(ChatPlace { after, seen })))
    }
}
