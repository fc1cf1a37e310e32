//! Files that may change while the node runs: its certificate (renewed without a restart) and the CA's revocation list.

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rumormill_gossip::Input;
use rumormill_transport::revocation::{MAX_FILE_LEN, check_file};
use rumormill_transport::{Endpoint, Identity, IdentityError, LocalCa, Revocations, Trust};

use crate::hub::Hub;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// A file that was changed so short a time ago may change again within the same tick of its file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// Runs until the node stops.
pub(crate) async fn run(hub: Arc<Hub>, endpoint: Endpoint, home: Option<PathBuf>, files: Option<(PathBuf, PathBuf)>) {
    let path = home.map(|home| LocalCa::revocations_path(&home));
    let mut list = Watched::new(path.clone());
    let mut certificate = Watched::new(files.clone().into_iter().flat_map(|(cert, key)| [cert, key]));
    let mut stopping = hub.stopping();
    let mut rounds = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
        }
        if let Some((cert, key)) = &files {
            match certificate.look(|| load(cert, key)) {
                Some(Ok(identity)) => renew(&hub, &endpoint, identity, cert),
                Some(Err(why)) => tracing::warn!(why, "the renewed certificate does not load; the old one stays"),
                None => {}
            }
        }
        if let Some(path) = &path {
            match list.look(|| read_list(path, &hub.checker.trust)) {
                Some(Ok(list)) => put_in_force(&hub, &list),
                Some(Err(why)) => tracing::warn!(why, "the revocation list is not read; the one in force stays"),
                None => {}
            }
        }
    }
}

fn put_in_force(hub: &Hub, list: &Revocations) {
    for part in list.parts() {
        let _ = hub.drive(Input::Revoked { link: None, part: Arc::clone(part) });
    }
}

/// Why a file gave nothing.
#[derive(Debug)]
enum Unread {
    /// It could not be read: it is tried again, whether it changes or not.
    Again(String),
    /// What is in it is of no use: only another content can be.
    Useless(String),
}

/// What tells that a file is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

/// Files that belong together and are read when one of them has changed. They count as seen once they were read, not before.
#[derive(Debug)]
struct Watched {
    paths: Vec<PathBuf>,
    seen: Vec<Stamp>,
    said: String,
}

impl Watched {
    fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), seen: Vec::new(), said: String::new() }
    }

    /// Reads if there is something new. An error is given once, until it is another one.
    fn look<T>(&mut self, read: impl FnOnce() -> Result<T, Unread>) -> Option<Result<T, String>> {
        let before: Vec<_> = self.paths.iter().filter_map(|path| stamp(path)).collect();
        if before.is_empty() || before.len() < self.paths.len() || before == self.seen {
            return None;
        }
        let result = read();
        let settled = before.iter().all(|stamp| stamp.modified.elapsed().map_or(true, |age| age > SETTLED));
        if settled && !matches!(result, Err(Unread::Again(_))) {
            self.seen = before;
        }
        match result {
            Ok(value) => {
                self.said.clear();
                Some(Ok(value))
            }
            Err(Unread::Again(why) | Unread::Useless(why)) if why == self.said => None,
            Err(Unread::Again(why) | Unread::Useless(why)) => {
                self.said.clone_from(&why);
                Some(Err(why))
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = fs::metadata(path).ok()?;
    Some(Stamp { modified: facts.modified().ok()?, length: facts.len(), inode: facts.ino() })
}

fn load(certificate: &Path, key: &Path) -> Result<Identity, Unread> {
    Identity::load(certificate, key).map_err(|why| match why {
        // One of the two may be copied later than the other.
        IdentityError::File(_) | IdentityError::Mismatch { .. } => Unread::Again(why.to_string()),
        IdentityError::Content { .. } => Unread::Useless(why.to_string()),
    })
}

fn renew(hub: &Hub, endpoint: &Endpoint, identity: Identity, certificate: &Path) {
    let ours = endpoint.identity();
    if identity.certificate_der() == ours.certificate_der() {
        return;
    }
    if identity.node() != ours.node() {
        return tracing::warn!("the new certificate is for another key: another node; restart to become it");
    }
    match endpoint.reload(identity) {
        Ok(()) => {
            tracing::info!(certificate = %certificate.display(), "new links use the renewed certificate");
            hub.neighbours.try_again();
        }
        Err(error) => tracing::warn!(%error, "the renewed certificate is not taken; the old one stays"),
    }
}

fn read_list(path: &Path, trust: &Trust) -> Result<Revocations, Unread> {
    let named = |why: &dyn Display| format!("{}: {why}", path.display());
    let bytes = read_at_most(path, MAX_FILE_LEN).map_err(|why| Unread::Again(named(&why)))?;
    check_file(&bytes, trust).map_err(|why| Unread::Useless(named(&why)))
}

fn read_at_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    rumormill_transport::read_regular(path, u64::try_from(most).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn age(path: &Path, by: Duration) {
        let at = SystemTime::now() - by;
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }

    fn text(path: &Path) -> Result<String, Unread> {
        fs::read_to_string(path).map_err(|why| Unread::Again(why.to_string()))
    }

    #[test]
    fn a_change_is_not_lost_to_a_read_that_failed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let mut watched = Watched::new([path.clone()]);
        assert!(watched.look(|| text(&path)).is_none(), "there is no file");
        fs::write(&path, "one").unwrap();
        age(&path, Duration::from_secs(60));
        let fails = || Err::<String, _>(Unread::Again("too many open files".to_owned()));
        assert_eq!(watched.look(fails), Some(Err("too many open files".to_owned())));
        assert_eq!(watched.look(fails), None, "said once");
        assert_eq!(watched.look(|| text(&path)), Some(Ok("one".to_owned())), "and read as soon as that is possible");
        assert_eq!(watched.look(|| text(&path)), None);
        fs::write(&path, "two").unwrap();
        age(&path, Duration::from_secs(50));
        assert_eq!(watched.look(|| text(&path)), Some(Ok("two".to_owned())));
    }

    #[test]
    fn what_is_written_twice_within_a_tick_is_read_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let mut watched = Watched::new([path.clone()]);
        fs::write(&path, "one").unwrap();
        let at = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(watched.look(|| text(&path)), Some(Ok("one".to_owned())));
        fs::write(&path, "two").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        assert_eq!(watched.look(|| text(&path)), Some(Ok("two".to_owned())), "same time, same length, same file");
    }

    #[test]
    fn a_useless_content_is_said_once_and_another_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let mut watched = Watched::new([path.clone()]);
        fs::write(&path, "bad").unwrap();
        age(&path, Duration::from_secs(60));
        let useless = || Err::<String, _>(Unread::Useless("no list".to_owned()));
        assert_eq!(watched.look(useless), Some(Err("no list".to_owned())));
        assert_eq!(watched.look(|| text(&path)), None, "it is not read again");
        fs::write(&path, "good").unwrap();
        age(&path, Duration::from_secs(50));
        assert_eq!(watched.look(|| text(&path)), Some(Ok("good".to_owned())));
    }
}
