//! One PULL: what it takes, whether that was read, and what comes back.

use std::future::Future;
use std::time::Duration;

use rumormill_wire::push_pull::Reply;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::given::{Batch, BeingGiven};
use super::items::{Items, MAX_ITEMS};
use super::places::ClientPlace;
use super::session::{MAX_PULLS, Server, end, ended, within};
use crate::counters::Counters;
use crate::service_error::ServiceError;
use crate::services::Letters;

/// The node finds or strikes off letters within this.
pub(super) const ASK_DEADLINE: Duration = Duration::from_secs(10);

/// So long the next PULL waits for the end of one that was given all: a client that has just died gives its letters to the next.
const SETTLES: Duration = Duration::from_millis(100);

impl<L: Letters> Server<L> {
    pub(super) async fn pull(&self, mut stream: TcpStream, place: &ClientPlace) -> std::io::Result<()> {
        let Ok(among) = self.pulls.try_acquire() else {
            Counters::one(&self.counters.refused_rate);
            return self.fail(stream, place, "too many PULLs at once").await;
        };
        self.settle().await;
        // Outlives the holds of what it is about: the next PULL is to find those free.
        let mut doubt = None;
        let letters = within(ASK_DEADLINE, self.letters.waiting(MAX_ITEMS)).await;
        let items = match letters {
            Ok(letters) => Items::of(letters),
            Err(why) => return self.fail(stream, place, &why.to_string()).await,
        };
        let being_given = BeingGiven::new(items.ids.len(), &self.counters);
        let handed = self.hand_over(&mut stream, &items, &mut doubt).await;
        if let Err(why) = &handed {
            debug!(%why, items = items.writes.len(), "push-pull: a client died in the middle of a PULL");
            return handed;
        }
        let (letters, bytes) = (items.ids.len(), items.bytes());
        if letters > 0 {
            doubt.get_or_insert_with(|| self.doubts.one());
        }
        // Before the client can know that this was all: what it has seen end is not shown again, if it ends too.
        match self.strike_off(items.ids).await {
            Ok(Some(taken)) => self.bring_back(self.given.put(place.number, Batch { taken, letters, bytes })).await,
            Ok(None) => {}
            // It will be shown again, so its end is an error.
            Err(why) => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return Err(std::io::Error::other(why));
            }
        }
        drop((items.holds, being_given));
        // From here on a newcomer may have its place.
        place.served(false);
        let mut open = Some((among, doubt));
        let ended = self.until_read(&mut stream, &mut open).await;
        match (&ended, self.given.take(place.number)) {
            (Ok(()), Some(batch)) => Counters::add(&self.counters.messages_out, batch.letters),
            (Err(why), Some(batch)) => {
                debug!(%why, "push-pull: nothing shows that a client has read its letters");
                self.bring_back(vec![batch]).await;
            }
            (_, None) => {}
        }
        ended
    }

    /// Waits for clients that may have died, no longer than it takes to see that.
    async fn settle(&self) {
        // At the end of a stream that shows with the second write after it.
        let most = self.config.gap.saturating_mul(2).saturating_add(SETTLES);
        tokio::select! {
            () = self.until_closing() => {}
            () = self.doubts.settle(most) => {}
        }
    }

    /// Says that nothing more comes and waits until TCP shows that the client has read all of it: it ends, or asks for more. An
    /// error if it died with something unread, or stays for too long. If it does not end soon, whoever waits for that need not.
    async fn until_read<T: Send>(&self, stream: &mut TcpStream, open: &mut Option<T>) -> std::io::Result<()> {
        stream.shutdown().await?;
        let mut ended = std::pin::pin!(ended(stream));
        if let Ok(ended) = timeout(SETTLES, &mut ended).await {
            return ended.map(drop);
        }
        *open = None;
        let ended = timeout(self.config.unread, ended).await;
        ended.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map(drop)
    }

    async fn strike_off(&self, ids: Vec<u64>) -> Result<Option<L::Taken>, ServiceError> {
        if ids.is_empty() {
            return Ok(None);
        }
        let taken = within(ASK_DEADLINE, self.letters.handed_over(ids)).await;
        taken.map(Some).inspect_err(|why| {
            let why = why.to_string();
            warn!(why, "push-pull: what was handed over cannot be struck off and is shown again");
        })
    }

    pub(super) async fn bring_back(&self, batches: Vec<Batch<L::Taken>>) {
        for Batch { taken, letters, .. } in batches {
            Counters::add(&self.counters.letters_back, letters);
            if let Err(why) = within(ASK_DEADLINE, self.letters.bring_back(taken)).await {
                let why = why.to_string();
                warn!(why, "push-pull: what a client left unread may not be shown again after a restart");
            }
        }
    }

    /// The door closes: what was given and is not known to be read comes back. Nobody is in the middle of a PULL then, nor begins
    /// one. Connections are ended by `end_all` in between.
    pub(super) async fn close(&self, end_all: impl Future<Output = ()> + Send) {
        self.closing.send_replace(true);
        let all = timeout(ASK_DEADLINE, self.pulls.acquire_many(MAX_PULLS)).await;
        end_all.await;
        self.bring_back(self.given.without(|_| false)).await;
        drop(all);
    }

    pub(super) async fn until_closing(&self) {
        let mut closing = self.closing.subscribe();
        drop(closing.wait_for(|closing| *closing).await);
    }

    async fn fail(&self, mut stream: TcpStream, place: &ClientPlace, why: &str) -> std::io::Result<()> {
        debug!(why, "push-pull: a PULL failed");
        self.reply(&mut stream, Reply::Fail).await?;
        place.served(false);
        end(&mut stream).await.map(drop)
    }
}
