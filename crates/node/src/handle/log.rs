//! Reading the log of a node.

use std::sync::Arc;

use rumormill_gossip::Engine;
use rumormill_store::{OrderKey, Reader, StoreError};
use rumormill_wire::classroom::RenderedMessages;

use super::error::LogError;
use super::node::NodeHandle;
use crate::chat_log::{PART_BYTES, PART_LOOKED, Part};
use crate::counters::Counters;
use crate::lock;
use crate::network_mark::NetworkMark;
use crate::view::{MAX_AHEAD_US, Message, Place, Rules};

/// Messages read from the store at once: of the longest, 8 MiB.
pub const MAX_PAGE: usize = 256;

/// The first page of a part of a chat log is of no more messages than this; the next ones are of more while they are short.
const MIN_PAGE: usize = 16;

/// Where the next part of a chat log begins; the default is its begin.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatPlace(Option<Place>);

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
        let (driver, rules) = (Arc::clone(&self.0.driver), self.rules());
        let pages = driver.disk.pages();
        let task = move || {
            let mut reader = lock(&pages);
            let mut after = after.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
            let mut shown = Vec::new();
            while shown.len() < max {
                let wanted = max.saturating_sub(shown.len()).min(MAX_PAGE);
                let entries = reader.page(after, wanted)?;
                Counters::add(&driver.counters.log_rows_read, u64::try_from(entries.len()).unwrap_or(u64::MAX));
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
        let mark = NetworkMark::of(&self.0.endpoint.network());
        let messages = self.page(None, usize::MAX).await?;
        Ok(messages.into_iter().filter_map(|message| chat_text(message, &mark)).collect())
    }

    /// The next part of [`NodeHandle::chat_log`], as it stands in a reply, and where the part behind it begins, if the log does
    /// not end here. Whoever asks for the same shares what was read: see `chat_log.rs`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn chat_part(&self, from: ChatPlace) -> Result<(Arc<RenderedMessages>, Option<ChatPlace>), LogError> {
        let ChatPlace(from) = from;
        let driver = &self.0.driver;
        let given = |part: Part| (part.messages, part.full.then_some(ChatPlace(part.end)));
        if let Some((part, true)) = driver.chat_log.find(&self.rules(), from) {
            return Ok(given(part));
        }
        let _turn = driver.chat_log.turn().await;
        let rules = self.rules();
        let mut part = match driver.chat_log.find(&rules, from) {
            Some((part, true)) => return Ok(given(part)),
            Some((part, false)) => part,
            None => Part::behind(from),
        };
        driver.chat_log.begin(&mut part);
        let (mark, driver, by) = (NetworkMark::of(&self.0.endpoint.network()), Arc::clone(driver), rules.clone());
        let task = tokio::task::spawn_blocking(move || {
            let rows = read_on(&mut **lock(&driver.disk.pages()), &mut part, &by, &mark)?;
            Counters::add(&driver.counters.log_rows_read, u64::try_from(rows).unwrap_or(u64::MAX));
            Arc::make_mut(&mut part.messages).shrink_to_fit();
            Ok::<_, StoreError>(part)
        });
        let part = task.await.map_err(|why| LogError::Ended(why.to_string()))??;
        self.0.driver.chat_log.keep(&rules, from, part.clone());
        Ok(given(part))
    }
}

/// What the chat log shows of a message.
fn chat_text(message: Message, mark: &NetworkMark) -> Option<String> {
    if !message.kind.is_text() || !message.room.as_raw().is_empty() {
        return None;
    }
    Some(match message.through {
        Some(_) => mark.word(&message.sender(""), message.text.as_raw()),
        None => message.text.into_raw(),
    })
}

/// Reads on from the end of a part until it is full or the log ends; gives how many messages the store gave for it.
fn read_on(reader: &mut dyn Reader, part: &mut Part, rules: &Rules, mark: &NetworkMark) -> Result<usize, StoreError> {
    let messages = Arc::make_mut(&mut part.messages);
    let (mut rows, mut looked, mut wanted) = (0_usize, 0_usize, MIN_PAGE);
    let until = rules.wall_us.saturating_add(MAX_AHEAD_US);
    part.waits = false;
    loop {
        let after = part.end.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
        let page = reader.page(after, wanted)?;
        let last = page.len() < wanted;
        rows = rows.saturating_add(page.len());
        for entry in page {
            part.full = messages.len() >= PART_BYTES || looked >= PART_LOOKED;
            // What is ahead of our clock ends the log, and so does all behind it.
            part.waits = !part.full && entry.key.clock.0 > until;
            if part.full || part.waits {
                return Ok(rows);
            }
            looked = looked.saturating_add(1);
            part.end = Some(Place { clock: entry.key.clock, origin: entry.key.origin, seq: entry.key.seq });
            if let Some(text) = rules.entry(entry).and_then(|message| chat_text(message, mark)) {
                messages.push(&text);
            }
        }
        part.full = messages.len() >= PART_BYTES || looked >= PART_LOOKED;
        if part.full || last {
            return Ok(rows);
        }
        // Of long messages few are read only to be left for the next part.
        let room = PART_BYTES.saturating_sub(messages.len());
        let fit = room.saturating_mul(looked).checked_div(messages.len()).unwrap_or(MAX_PAGE);
        wanted = fit.saturating_add(1).clamp(MIN_PAGE, wanted.saturating_mul(2).min(MAX_PAGE));
    }
}
