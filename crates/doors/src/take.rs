//! Taking connections while descriptors last.
//!
//! The system gives the lowest number that is free, so the number of a connection's descriptor says how many are in use. The
//! last ones are kept for files: a store, a certificate or a revocation list that cannot be opened costs more than a
//! connection that is not taken.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::warn;

use crate::counters::Counters;
use crate::lock::lock;

/// Descriptors that connections leave for files, where the limit is at least four times that; else a quarter of it.
pub const RESERVE: u64 = 64;
/// Descriptors that clients of doors leave to links, where the limit is at least eight times that; else an eighth of it.
pub const FOR_LINKS: u64 = 64;
/// A shortage is said once in so long.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// After a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(20);

/// The number from which on descriptors are kept for files, at this limit.
#[must_use]
pub fn first_kept(limit: u64) -> i32 {
    i32::try_from(limit.saturating_sub(RESERVE.min(limit / 4))).unwrap_or(i32::MAX)
}

/// The same at the limit that is in force.
#[must_use]
pub fn first_kept_now() -> i32 {
    getrlimit(Resource::Nofile).current.map_or(i32::MAX, first_kept)
}

/// The number from which on clients of doors leave descriptors to links, at this limit: strangers at doors close the network to nobody.
#[must_use]
pub fn first_for_links(limit: u64) -> i32 {
    let links = i32::try_from(FOR_LINKS.min(limit / 8)).unwrap_or(i32::MAX);
    first_kept(limit).saturating_sub(links)
}

fn first_for_links_now() -> i32 {
    getrlimit(Resource::Nofile).current.map_or(i32::MAX, first_for_links)
}

/// Why a connection was not taken.
#[derive(Debug)]
pub enum Untaken {
    /// Descriptors run short: a higher limit helps.
    Descriptors(String),
    /// Anything else, such as that whoever connected has gone again.
    Other(String),
}

impl Untaken {
    /// What the system said, for people.
    #[must_use]
    pub fn why(&self) -> &str {
        let (Self::Descriptors(why) | Self::Other(why)) = self;
        why
    }
}

impl From<io::Error> for Untaken {
    fn from(error: io::Error) -> Self {
        let short = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        let why = error.to_string();
        if short.contains(&error.raw_os_error()) { Self::Descriptors(why) } else { Self::Other(why) }
    }
}

/// When something was said, and how often it was not since.
type Warned = (Option<Instant>, u64);

/// Says that connections are not taken, and not at each of them.
#[derive(Debug, Default)]
pub struct Shortage {
    /// For want of descriptors, and for other reasons: neither hides the other.
    said: Mutex<(Warned, Warned)>,
}

impl Shortage {
    /// One connection was not taken. Says so at once, or counts it for the next time.
    pub fn one(&self, who: &str, untaken: &Untaken) {
        let mut both = lock(&self.said);
        let (for_descriptors, for_others) = &mut *both;
        let said = match untaken {
            Untaken::Descriptors(_) => for_descriptors,
            Untaken::Other(_) => for_others,
        };
        if said.0.is_some_and(|at| at.elapsed() < SAID_EVERY) {
            said.1 = said.1.saturating_add(1);
            return;
        }
        let before = std::mem::take(&mut said.1);
        said.0 = Some(Instant::now());
        match untaken {
            Untaken::Descriptors(why) => warn!(
                who,
                why,
                before,
                "a connection was not taken: descriptors run short; raise the limit (`ulimit -n`, LimitNOFILE)"
            ),
            Untaken::Other(why) => warn!(who, why, before, "a connection was not taken"),
        }
    }
}

/// Takes the connections of one listener.
#[derive(Debug)]
pub struct Taker<'a> {
    listener: &'a TcpListener,
    who: &'static str,
    counters: &'a Counters,
    short: Shortage,
    /// For tests: in place of the limit in force.
    kept_from: Option<i32>,
}

impl<'a> Taker<'a> {
    /// Of this listener, under this name in the log.
    #[must_use]
    pub fn new(listener: &'a TcpListener, who: &'static str, counters: &'a Counters) -> Self {
        Self { listener, who, counters, short: Shortage::default(), kept_from: None }
    }

    /// The next connection. One for which no descriptor is to spare is closed, counted and, not too often, said; a try that
    /// fails is made again after a pause. Dropping the future loses nothing.
    pub async fn take(&self) -> (TcpStream, SocketAddr) {
        loop {
            let why = match self.listener.accept().await {
                Ok((stream, from)) if stream.as_raw_fd() < self.kept_from.unwrap_or_else(first_for_links_now) => {
                    return (stream, from);
                }
                Ok(_) => Untaken::Descriptors("what is left is kept for links and files".to_owned()),
                // Whoever came has gone already.
                Err(why) if why.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(why) => why.into(),
            };
            Counters::one(&self.counters.refused_descriptors);
            self.short.one(self.who, &why);
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn what_is_kept_is_a_quarter_of_a_small_limit() {
        assert_eq!(first_kept(1_024), 960);
        assert_eq!(first_kept(64), 48);
        assert_eq!(first_kept(0), 0);
        assert_eq!(first_kept(u64::MAX), i32::MAX);
    }

    #[test]
    fn what_links_are_left_is_an_eighth_of_a_small_limit() {
        assert_eq!(first_for_links(1_024), 896);
        assert_eq!(first_for_links(160), 100);
        assert_eq!(first_for_links(0), 0);
    }

    #[test]
    fn a_higher_limit_is_advised_only_where_it_helps() {
        let of = |errno: rustix::io::Errno| Untaken::from(io::Error::from(errno));
        assert!(matches!(of(rustix::io::Errno::MFILE), Untaken::Descriptors(_)));
        assert!(matches!(of(rustix::io::Errno::NFILE), Untaken::Descriptors(_)));
        assert!(matches!(of(rustix::io::Errno::NOMEM), Untaken::Other(_)));
        assert!(matches!(Untaken::from(io::Error::other("full")), Untaken::Other(_)));
    }

    #[test]
    fn neither_reason_hides_the_other() {
        let short = Shortage::default();
        short.one("test", &Untaken::Other("too many clients".to_owned()));
        short.one("test", &Untaken::Other("too many clients".to_owned()));
        short.one("test", &Untaken::Descriptors("too many open files".to_owned()));
        let said = short.said.lock().unwrap();
        assert!(said.0.0.is_some() && said.1.0.is_some());
        assert_eq!((said.0.1, said.1.1), (0, 1), "what was not said is counted");
    }

    #[tokio::test]
    async fn a_connection_that_would_use_what_is_kept_is_closed_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, counters) = (listener.local_addr().unwrap(), Counters::default());
        let mut taker = Taker::new(&listener, "test", &counters);
        // All that this process has open is below this, all that it opens next is not.
        taker.kept_from = Some(0);
        let mut turned_away = TcpStream::connect(addr).await.unwrap();
        let waited = timeout(Duration::from_millis(200), taker.take()).await;
        assert!(waited.is_err());
        let read = timeout(Duration::from_secs(60), turned_away.read(&mut [0])).await.unwrap();
        assert!(read.is_ok_and(|n| n == 0), "it is closed, not left hanging");
        assert_eq!(counters.refused_descriptors.load(std::sync::atomic::Ordering::Relaxed), 1);
        taker.kept_from = None;
        let _second = TcpStream::connect(addr).await.unwrap();
        let taken = timeout(Duration::from_secs(60), taker.take()).await;
        assert!(taken.is_ok());
    }
}
