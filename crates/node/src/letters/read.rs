//! Reading the log for letters and keys: of each origin in the order of its numbers, each number once, from where the last
//! life of the node ended. What is missed, or finds no room, is read from the store later.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::native::{BundleView, LetterKey, MessageKind};
use rumormill_wire::{Origin, Seq};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::inbox::FoundInLog;
use super::post::{LettersDesk, Post};
use super::record::MemberKey;
use super::seal::SUITE;
use crate::clock::after;
use crate::committed::Committed;
use crate::driver::{Coming, FollowerEvent, News};
use crate::lock;
use crate::view::Rules;

/// How often it is made durable how far the log was read.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// How often the file of letters is looked at, whether it is still ours.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After an error of the disk or the store, so long nothing is tried.
const RETRY: Duration = Duration::from_secs(5);
/// Read from the store at once, in bytes.
const PIECE: usize = 1 << 20;
/// Bundles that are looked at in one round; what waits beyond them is for the next.
const MAX_TOGETHER: usize = 256;

/// Why reading did not come to the end of what there is: the disk or the store.
struct Stuck(String);

impl From<io::Error> for Stuck {
    fn from(why: io::Error) -> Self {
        Self(why.to_string())
    }
}

/// Takes letters and keys from the log as they come, until the node stops.
pub(crate) async fn run(desk: LettersDesk, coming: Coming) {
    let node = desk.0.node.clone();
    tokio::select! {
        () = node.stopped() => {}
        () = follow(&desk, coming) => {}
    }
    save(&desk).await;
}

async fn save(desk: &LettersDesk) {
    if let Err(why) = desk.with_inbox(super::inbox::Inbox::save).await {
        let why = why.to_string();
        tracing::warn!(why, "how far letters were read cannot be kept; they are read again after a restart");
    }
}

/// Sees to the file of letters; whether that went well. Says so when it does not any more.
async fn look(desk: &LettersDesk, went_well: bool) -> bool {
    let looked = desk.with_inbox(super::inbox::Inbox::look).await;
    if let (Err(why), true) = (&looked, went_well) {
        let why = why.to_string();
        tracing::warn!(why, "the file of letters is gone, and cannot be written anew now");
    }
    looked.is_ok()
}

/// Of news, the bundle that became durable.
fn take(told: &FollowerEvent, bundles: &mut Vec<Arc<Committed>>, missed: &mut bool) {
    match told {
        FollowerEvent::News(news) => {
            if let News::Committed(committed) = &**news {
                bundles.push(Arc::clone(committed));
            }
        }
        FollowerEvent::Missed(_) => *missed = true,
    }
}

async fn follow(desk: &LettersDesk, mut coming: Coming) {
    let every = |period| {
        let mut every = interval(period);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        every
    };
    let (mut saving, mut looking, mut went_well) = (every(SAVE_EVERY), every(LOOK_EVERY), true);
    let mut reading = Reading { desk, again: None };
    reading.run(Post::read_all).await;
    tokio::spawn(publish(desk.clone()));
    loop {
        let (behind, again) = (reading.again.is_some(), reading.again.unwrap_or_else(Instant::now));
        tokio::select! {
            _ = saving.tick() => save(desk).await,
            _ = looking.tick() => went_well = look(desk, went_well).await,
            () = desk.0.room.notified(), if !behind => reading.run(Post::read_held_back).await,
            () = sleep_until(again), if behind => reading.run(Post::read_all).await,
            first = coming.recv() => {
                let (mut bundles, mut lagged) = (Vec::new(), false);
                let Some(first) = first else { return };
                take(&first, &mut bundles, &mut lagged);
                while bundles.len() < MAX_TOGETHER {
                    let Some(next) = coming.try_recv() else { break };
                    take(&next, &mut bundles, &mut lagged);
                }
                // While it is behind, all of it is read from the store later.
                match reading.again {
                    None if lagged => reading.run(Post::read_all).await,
                    None => reading.run(move |post| post.read_these(&bundles)).await,
                    Some(_) => {}
                }
            }
        }
    }
}

/// Whether reading goes on with what comes, or is behind and is to be tried again then.
struct Reading<'a> {
    desk: &'a LettersDesk,
    again: Option<Instant>,
}

impl Reading<'_> {
    /// Works on a thread that may wait.
    async fn run(&mut self, work: impl FnOnce(&Post) -> Result<(), Stuck> + Send + 'static) {
        let post = Arc::clone(&self.desk.0);
        let work = move || {
            let done = work(&post);
            post.let_go_again();
            post.count(&lock(&post.inbox));
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        let was_behind = self.again.is_some();
        self.again = None;
        let why = match done {
            Ok(Ok(())) => return,
            Ok(Err(Stuck(why))) => why,
            Err(why) => why.to_string(),
        };
        self.again = Some(after(RETRY));
        if !was_behind {
            tracing::warn!(why, "letters are not taken from the log for now");
        }
    }
}

/// Says which key letters to us are to be sealed to, unless the log says it already. Once more when we go on under a new
/// incarnation: what was said under a wrong clock may not count for long.
async fn publish(desk: LettersDesk) {
    let (post, mut said, mut refused) = (&desk.0, None, String::new());
    loop {
        let me = post.node.me();
        if said != Some(me) && post.is_known() {
            said = Some(me);
        } else if said != Some(me) {
            match post.node.0.driver.submit(MessageKind::KEY, "", post.seal.key_body().into()).await {
                // The only other outcome is that the node stops.
                Ok(pending) => said = pending.await.ok().map(|receipt| receipt.origin),
                Err(why) => {
                    // Once for each reason: a full store stays full.
                    let why = why.to_string();
                    if why != refused {
                        tracing::warn!(why, "the key for letters could not be made known; trying again");
                        refused = why;
                    }
                }
            }
        }
        tokio::select! {
            () = post.node.stopped() => return,
            () = sleep(RETRY) => {}
        }
    }
}

impl Post {
    /// Whether others know the key that we use.
    fn is_known(&self) -> bool {
        let key = lock(&self.inbox).keys.of(&self.node.node_id()).cloned();
        key.is_some_and(|key| self.stands(&key))
    }

    /// Whether this key of ours is the one we use, and in the log: one in memory forgets.
    fn stands(&self, key: &MemberKey) -> bool {
        let in_log = |e: &rumormill_wire::native::StatusEntry| e.origin == key.origin && e.next > key.seq;
        key.key == self.seal.public() && self.node.0.driver.with_engine(|engine| engine.frontier().any(|e| in_log(&e)))
    }

    /// All that the store has and was not read.
    fn read_all(&self) -> Result<(), Stuck> {
        let ends: Vec<_> =
            self.node.0.driver.with_engine(|engine| engine.frontier().map(|e| (e.origin, e.next)).collect());
        let (rules, mut stuck) = (self.node.rules(), Ok(()));
        for (origin, end) in ends {
            stuck = self.read_origin(&rules, origin, end).and(stuck);
        }
        stuck
    }

    /// What waits in the log and finds room here now.
    fn read_held_back(&self) -> Result<(), Stuck> {
        let origins = lock(&self.inbox).has_room_again();
        let ends = self.node.0.driver.with_engine(|engine| {
            let ends: BTreeMap<_, _> = engine.frontier().map(|e| (e.origin, e.next)).collect();
            origins.into_iter().filter_map(|origin| Some((origin, *ends.get(&origin)?))).collect::<Vec<_>>()
        });
        let (rules, mut stuck) = (self.node.rules(), Ok(()));
        for (origin, end) in ends {
            stuck = self.read_origin(&rules, origin, end).and(stuck);
        }
        stuck
    }

    /// Reads on as far as there is room. Who finds none keeps nobody else back.
    fn read_origin(&self, rules: &Rules, origin: Origin, end: Seq) -> Result<(), Stuck> {
        let pages = self.node.0.driver.disk.pages();
        loop {
            let from = {
                let mut inbox = lock(&self.inbox);
                let Some(from) = inbox.next_of(&origin).filter(|from| *from < end) else {
                    inbox.has_caught_up(&origin);
                    return Ok(());
                };
                if !inbox.has_room_for(&origin) {
                    return Ok(());
                }
                from
            };
            let rows = lock(&pages).range(origin, from, end, PIECE).map_err(|why| Stuck(why.to_string()))?;
            if rows.is_empty() {
                // What is not durable yet comes when it is.
                lock(&self.inbox).has_caught_up(&origin);
                return Ok(());
            }
            for row in rows {
                if !self.read_bundle(rules, &row.bytes)? {
                    return Ok(());
                }
            }
            if lock(&self.inbox).next_of(&origin) <= Some(from) {
                return Ok(());
            }
        }
    }

    /// Bundles that have just become durable.
    fn read_these(&self, bundles: &[Arc<Committed>]) -> Result<(), Stuck> {
        let (rules, mut stuck) = (self.node.rules(), Ok(()));
        for committed in bundles {
            let header = committed.bundle.header();
            let next = {
                let inbox = lock(&self.inbox);
                // What is held back is read once there is room, and costs nothing until then.
                inbox.next_of(&header.origin).filter(|_| !inbox.is_held_back(&header.origin))
            };
            let done = match next {
                Some(next) if header.first > next => self.read_origin(&rules, header.origin, header.next()),
                Some(next) if header.next() > next => self.read_bundle(&rules, committed.bundle.bytes()).map(drop),
                _ => Ok(()),
            };
            stuck = done.and(stuck);
        }
        stuck
    }

    /// False if there was no room for all of it.
    fn read_bundle(&self, rules: &Rules, bytes: &[u8]) -> Result<bool, Stuck> {
        let view = BundleView::parse(bytes).map_err(|why| Stuck(why.to_string()))?;
        let header = *view.header();
        let (origin, limit) = (header.origin, rules.limits.get(&header.origin));
        let next = lock(&self.inbox).next_of(&origin);
        let counts = |seq: &Seq| limit.is_none_or(|limit| seq < limit) && next.is_some_and(|next| *seq >= next);
        let found = view.messages().filter(|message| counts(&message.seq)).filter_map(|message| match message.kind {
            MessageKind::SEALED => Some(FoundInLog::Letter(message.seq, self.seal.open(&origin.node, message.body)?)),
            MessageKind::KEY => {
                let known = LetterKey::parse(message.body).ok().filter(|key| key.suite == SUITE)?;
                Some(FoundInLog::Key(MemberKey {
                    clock: message.clock,
                    origin,
                    seq: message.seq,
                    key: known.key.to_vec(),
                }))
            }
            _ => None,
        });
        let found = found.collect();
        Ok(lock(&self.inbox).take(origin, found, header.next())?)
    }
}
