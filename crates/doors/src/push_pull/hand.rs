//! Writing what one PULL is given, with a look at its client in between.

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::doubts::Doubt;
use super::items::Items;
use super::pull::ASK_DEADLINE;
use super::session::Server;
use crate::services::Letters;
use rumormill_wire::push_pull::Reply;

impl<L: Letters> Server<L> {
    /// Writes all. An error if the client ended in one meanwhile; if it has ended its own stream, it may have died, and there is a
    /// doubt of it.
    pub(super) async fn hand_over<'a>(
        &'a self,
        stream: &mut TcpStream,
        items: &Items,
        doubt: &mut Option<Doubt<'a>>,
    ) -> std::io::Result<()> {
        let work = async {
            self.reply(stream, Reply::Count(items.count())).await?;
            for item in &items.writes {
                self.gap(stream, doubt).await?;
                self.write(stream, item).await?;
            }
            if doubt.is_some() {
                // It may have died, which shows only before we close our half too. Of the others `end` waits for the end.
                self.gap(stream, doubt).await?;
            }
            alive(stream).map(drop)
        };
        // What one takes that reads each item at the last moment does not stay away for ever.
        let most = self.config.gap.saturating_mul(items.count()).saturating_add(ASK_DEADLINE);
        tokio::select! {
            biased;
            () = self.until_closing() => Err(std::io::ErrorKind::Interrupted.into()),
            done = timeout(most, work) => done.map_err(|_| std::io::ErrorKind::TimedOut)?,
        }
    }

    /// The time between two writes. An error as soon as the client ends in one: what it was being given is free for the next.
    async fn gap<'a>(&'a self, stream: &TcpStream, doubt: &mut Option<Doubt<'a>>) -> std::io::Result<()> {
        let now = Instant::now();
        let until = now.checked_add(self.config.gap).unwrap_or(now);
        // Once for the end of its stream and once for an error after that. Whoever goes on speaking is looked at no more often.
        for _ in 0..2 {
            let news = if doubt.is_some() { Interest::ERROR } else { Interest::READABLE | Interest::ERROR };
            let Ok(news) = timeout_at(until, stream.ready(news)).await else { break };
            news?;
            if alive(stream)? {
                doubt.get_or_insert_with(|| self.doubts.one());
            }
        }
        sleep_until(until).await;
        if alive(stream)? {
            doubt.get_or_insert_with(|| self.doubts.one());
        }
        Ok(())
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
