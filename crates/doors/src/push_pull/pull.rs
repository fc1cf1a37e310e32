//! Handing over.

use std::future::Future;
use std::time::Duration;

use rumormill_wire::push_pull::Reply;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::given::Batch;
use super::items::{Items, MAX_ITEMS};
use super::places::Place;
use super::session::{Server, end, ended, within};
use crate::counters::Counters;
use crate::services::Letters;

/// A PULL waits so long for the one before it.
const TURN_DEADLINE: Duration = Duration::from_secs(60);
/// The node finds or strikes off letters within this.
const ASK_DEADLINE: Duration = Duration::from_secs(10);

/// So long the next PULL waits for the end of the one before it: a client that has just died gives its letters to the next.
const SETTLES: Duration = Duration::from_millis(100);

impl<L: Letters> Server<L> {
    pub(super) async fn pull(&self, mut stream: TcpStream, place: &Place) -> std::io::Result<()> {
        let Ok(in_line) = self.pulls.try_acquire() else {
            Counters::one(&self.counters.refused_rate);
            return self.fail(stream, place, "too many PULLs at once").await;
        };
        let Ok(turn) = timeout(TURN_DEADLINE, self.turn.lock()).await else {
            return self.fail(stream, place, "another PULL takes too long").await;
        };
        let letters = within(ASK_DEADLINE, "too slow", self.letters.waiting(MAX_ITEMS)).await;
        let items = match letters {
            Ok(letters) => Items::of(letters),
            Err(why) => return self.fail(stream, place, &why).await,
        };
        let handed = self.hand_over(&mut stream, &items).await;
        if let Err(why) = &handed {
            debug!(%why, items = items.writes.len(), "push-pull: a client died in the middle of a PULL");
            return handed;
        }
        // Before the client can know that this was all: what it has seen end is not shown again, if it ends too.
        let (letters, bytes) = (items.ids.len(), items.bytes());
        if let Some(taken) = self.strike_off(items.ids).await {
            self.bring_back(self.given.put(place.number, Batch { taken, letters, bytes })).await;
        }
        // From here on a newcomer may have its place, and other PULLs have their turn.
        place.served(false);
        let ended = self.until_read(&mut stream, (in_line, turn)).await;
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

    /// Says that nothing more comes and waits until TCP shows that the client has read all of it: it ends, or asks for more. An
    /// error if it died with something unread, or stays for too long.
    async fn until_read<T: Send>(&self, stream: &mut TcpStream, turn: T) -> std::io::Result<()> {
        stream.shutdown().await?;
        let mut ended = std::pin::pin!(ended(stream));
        if let Ok(ended) = timeout(SETTLES, &mut ended).await {
            return ended;
        }
        drop(turn);
        timeout(self.config.unread, ended).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }

    async fn strike_off(&self, ids: Vec<u64>) -> Option<L::Taken> {
        if ids.is_empty() {
            return None;
        }
        let taken = within(ASK_DEADLINE, "too slow", self.letters.handed_over(ids)).await;
        taken.inspect_err(|why| warn!(why, "push-pull: what was handed over may be shown again")).ok()
    }

    pub(super) async fn bring_back(&self, batches: Vec<Batch<L::Taken>>) {
        for Batch { taken, letters, .. } in batches {
            Counters::add(&self.counters.letters_back, letters);
            if let Err(why) = within(ASK_DEADLINE, "too slow", self.letters.bring_back(taken)).await {
                warn!(why, "push-pull: what a client left unread may not be shown again after a restart");
            }
        }
    }

    /// The door closes: what was given and is not known to be read comes back. Nobody is in the middle of a PULL then, nor begins
    /// one. Connections are ended by `end_all` in between.
    pub(super) async fn close(&self, end_all: impl Future<Output = ()> + Send) {
        self.closing.send_replace(true);
        let turn = timeout(ASK_DEADLINE, self.turn.lock()).await;
        end_all.await;
        self.bring_back(self.given.without(|_| false)).await;
        drop(turn);
    }

    async fn until_closing(&self) {
        let mut closing = self.closing.subscribe();
        drop(closing.wait_for(|closing| *closing).await);
    }

    async fn fail(&self, mut stream: TcpStream, place: &Place, why: &str) -> std::io::Result<()> {
        debug!(why, "push-pull: a PULL failed");
        self.reply(&mut stream, Reply::Fail).await?;
        place.served(false);
        end(&mut stream).await
    }

    /// Writes all. An error if the client ended in one meanwhile.
    async fn hand_over(&self, stream: &mut TcpStream, items: &Items) -> std::io::Result<()> {
        let work = async {
            self.reply(stream, Reply::Count(items.count())).await?;
            let mut half_closed = false;
            for item in &items.writes {
                sleep(self.config.gap).await;
                half_closed |= alive(stream)?;
                self.write(stream, item).await?;
            }
            if half_closed {
                // It may have died, which shows only before we close our half too. Of the others `end` waits for the end.
                sleep(self.config.gap).await;
            }
            alive(stream).map(drop)
        };
        // One that takes each item at the last moment does not keep the others waiting for ever.
        let most = self.config.gap.saturating_mul(items.count()).saturating_add(ASK_DEADLINE);
        tokio::select! {
            biased;
            () = self.until_closing() => Err(std::io::ErrorKind::Interrupted.into()),
            done = timeout(most, work) => done.map_err(|_| std::io::ErrorKind::TimedOut)?,
        }
    }
}

/// An error if there is one. The end of its stream is none, which the answer tells: a client may close its sending half
/// after its request.
fn alive(stream: &TcpStream) -> std::io::Result<bool> {
    if let Some(why) = stream.take_error()? {
        return Err(why);
    }
    match stream.try_read(&mut [0; 256]) {
        Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        read => read.map(|read| read == 0),
    }
}
