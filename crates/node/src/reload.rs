//! Files that may change while the node runs: its certificate (renewed without a restart) and the CA's revocation list.

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rumormill_api::date;
use rumormill_gossip::Input;
use rumormill_transport::revocation::{MAX_FILE_LEN, check_file};
use rumormill_transport::{Endpoint, Identity, IdentityError, ListPart, LocalCa, Revocations, Trust};
use rumormill_wire::Foreign;

use crate::clock::after;
use crate::driver::Driver;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// A file that was changed so short a time ago may change again within the same tick of its file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// So long a start waits for the list in the file to be durable, and so in force.
const AT_START: Duration = Duration::from_secs(5);

/// The list in the file, before anybody is linked or asks at a door: it may have come while the node was down. What is wrong with it
/// is said by [`run`].
pub(crate) async fn at_start(driver: &Arc<Driver>, home: Option<&Path>) {
    let Some(path) = home.map(LocalCa::revocations_path) else { return };
    let reading = Arc::clone(driver);
    let read = move || read_list(&path, &reading.checker.trust).ok();
    let Some(list) = tokio::task::spawn_blocking(read).await.ok().flatten() else { return };
    put_in_force(driver, &list);
    let counts = |part: &Arc<ListPart>| {
        let ours = driver.checker.revoked.get();
        ours.part(part.place()).is_some_and(|held| held.number() >= part.number())
    };
    let until = after(AT_START);
    while !list.parts().all(counts) {
        if tokio::time::Instant::now() >= until {
            tracing::warn!("the revocation list in the file is not kept yet; the node starts without it");
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs until the node stops.
pub(crate) async fn run(
    driver: Arc<Driver>,
    endpoint: Endpoint,
    home: Option<PathBuf>,
    files: Option<(PathBuf, PathBuf)>,
) {
    let path = home.map(|home| LocalCa::revocations_path(&home));
    let mut list = WatchedFiles::new(path.clone());
    let mut certificate = WatchedFiles::new(files.clone().into_iter().flat_map(|(cert, key)| [cert, key]));
    let mut stopping = driver.stopping();
    let mut rounds = tokio::time::interval(PERIOD);
    let mut list_said = ListSaid::of(&driver.checker.revoked.get());
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
        }
        list_said.say(&driver.checker.revoked.get());
        if let Some((cert, key)) = &files
            && let Some(Err(why)) = certificate.look(|| renew(&driver, &endpoint, load(cert, key)?, cert))
        {
            tracing::warn!(why, "the renewed certificate is not taken; the old one stays");
        }
        if let Some(path) = &path {
            match list.look(|| read_list(path, &driver.checker.trust)) {
                Some(Ok(list)) => {
                    let why = not_in_force(&list, &driver.checker.revoked.get());
                    if let Some(why) = to_be_said(&mut crate::lock(&driver.list_file), why) {
                        let file = path.display();
                        tracing::warn!(%file, why, "nothing of the revocation list in the file is in force");
                    }
                    put_in_force(&driver, &list);
                }
                Some(Err(why)) => tracing::warn!(why, "the revocation list is not read; the one in force stays"),
                None if !path.exists() => *crate::lock(&driver.list_file) = None,
                None => {}
            }
        }
    }
}

fn put_in_force(driver: &Driver, list: &Revocations) {
    for part in list.parts() {
        let _ = driver.drive(Input::Revoked { link: None, part: Arc::clone(part) });
    }
}

/// Why a file changes nothing although it says something else than what is in force: by their numbers its parts are older, or
/// as old and of another content. Whoever made it believes that it counts.
fn not_in_force(file: &Revocations, ours: &Revocations) -> Option<String> {
    let held = |part: &ListPart| ours.part(part.place()).map(|held| (held.number(), held.bytes() == part.bytes()));
    let (mut older, mut counts) = (false, false);
    for part in file.parts() {
        match held(part) {
            Some((number, false)) if number == part.number() => {
                return Some(format!("its list {number} is not the one that is in force with the same number"));
            }
            Some((number, _)) if number > part.number() => older = true,
            _ => counts = true,
        }
    }
    let why = || format!("its list {} is older than list {}, which is in force", file.number(), ours.number());
    (older && !counts).then(why)
}

/// Keeps why the file changes nothing, and gives it where it was not said before.
fn to_be_said(held: &mut Option<String>, why: Option<String>) -> Option<String> {
    let before = std::mem::replace(held, why);
    held.clone().filter(|_| *held != before)
}

/// The list that was in force when it was looked at last. It comes in parts, from a file or from neighbours, and is said when
/// no part has come since the round before.
#[derive(Debug)]
struct ListSaid {
    said: (u64, usize),
    last: (u64, usize),
}

impl ListSaid {
    fn of(list: &Revocations) -> Self {
        let now = (list.number(), list.len());
        Self { said: now, last: now }
    }

    /// Whether it is to be said: it is another one than was said, and whole as far as one can see.
    fn look(&mut self, now: (u64, usize)) -> bool {
        let quiet = std::mem::replace(&mut self.last, now) == now;
        quiet && std::mem::replace(&mut self.said, now) != now
    }

    fn say(&mut self, list: &Revocations) {
        let (number, nodes) = (list.number(), list.len());
        if self.look((number, nodes)) {
            tracing::info!(number, issued = %date(list.issued()), nodes, "a revocation list came into force");
        }
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
struct WatchedFiles {
    paths: Vec<PathBuf>,
    seen: Vec<Stamp>,
    /// What was read last is seen, and not read again until it changes.
    settled: bool,
    said: String,
}

impl WatchedFiles {
    fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), seen: Vec::new(), settled: false, said: String::new() }
    }

    /// Reads if there is something new. An error is given once, until it is another one or the files have changed again.
    fn look<T>(&mut self, read: impl FnOnce() -> Result<T, Unread>) -> Option<Result<T, String>> {
        let before: Vec<_> = self.paths.iter().filter_map(|path| stamp(path)).collect();
        if before.is_empty() || before.len() < self.paths.len() || before == self.seen {
            return None;
        }
        let result = read();
        if std::mem::replace(&mut self.settled, false) {
            // Other content than that of which the last error spoke.
            self.said.clear();
        }
        let settled = before.iter().all(|stamp| stamp.modified.elapsed().map_or(true, |age| age > SETTLED));
        if settled && !matches!(result, Err(Unread::Again(_))) {
            (self.seen, self.settled) = (before, true);
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
        IdentityError::Content { .. } | IdentityError::Misplaced(_) => Unread::Useless(why.to_string()),
    })
}

fn renew(driver: &Driver, endpoint: &Endpoint, identity: Identity, certificate: &Path) -> Result<(), Unread> {
    let ours = endpoint.identity();
    if identity.certificate_der() == ours.certificate_der() {
        return Ok(());
    }
    if identity.node() != ours.node() {
        let why = "the new certificate is for another key: another node; restart to become it";
        return Err(Unread::Useless(why.to_owned()));
    }
    if identity.name() != ours.name() {
        let (new, now) = (Foreign::new(identity.name()), ours.name());
        return Err(Unread::Useless(format!(
            "the new certificate is for the name `{new}`, and this node runs as `{now}`"
        )));
    }
    endpoint.reload(identity).map_err(|why| Unread::Useless(why.to_string()))?;
    tracing::info!(certificate = %certificate.display(), "new links use the renewed certificate");
    driver.try_again();
    Ok(())
}

fn read_list(path: &Path, trust: &Trust) -> Result<Revocations, Unread> {
    let named = |why: &dyn Display| format!("{}: {why}", path.display());
    let bytes = read_at_most(path, MAX_FILE_LEN).map_err(|why| Unread::Again(named(&why)))?;
    check_file(&bytes, trust).map_err(|why| Unread::Useless(named(&why)))
}

fn read_at_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    rumormill_limits::file::read_regular(path, u64::try_from(most).unwrap_or(u64::MAX))
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
    fn a_list_in_parts_is_said_once_when_all_have_come() {
        let mut list_said = ListSaid { said: (0, 0), last: (0, 0) };
        let said: Vec<_> = [(0, 0), (3, 1), (3, 2), (3, 2), (3, 2), (3, 2), (4, 2), (4, 2), (4, 2)]
            .into_iter()
            .filter(|now| list_said.look(*now))
            .collect();
        assert_eq!(said, [(3, 2), (4, 2)]);
        let mut kept = ListSaid { said: (3, 2), last: (3, 2) };
        assert!(!kept.look((3, 2)), "one that was in force at the start is not new");
    }

    #[test]
    fn a_file_of_which_nothing_is_in_force_is_told_from_one_that_is_an_old_copy_in_part() {
        let dir = tempfile::tempdir().unwrap();
        let ca = |home: &str| LocalCa::init(&dir.path().join(home)).unwrap();
        let node = |place| rumormill_wire::NodeId([place; 32]);
        let (here, fork) = (ca("here"), ca("fork"));
        let one = here.revoke(node(1), None).unwrap().list;
        let two = here.revoke(node(2), None).unwrap().list;
        let three = here.revoke(node(1), Some([].into())).unwrap().list;
        let forked = fork.revoke(node(1), Some([].into())).unwrap().list;
        let none = Revocations::default();
        for (file, ours) in [(&one, &none), (&one, &one), (&one, &two), (&two, &three), (&three, &two), (&none, &one)] {
            assert_eq!(not_in_force(file, ours), None, "{} {}", file.number(), ours.number());
        }
        assert!(not_in_force(&one, &three).unwrap().contains("list 1 is older than list 3"));
        assert!(not_in_force(&forked, &one).unwrap().contains("list 1 is not the one that is in force"));
        let mut held = None;
        let looks = [None, Some("a"), Some("a"), Some("b"), Some("b"), None, Some("b")];
        let said: Vec<_> = looks.iter().filter_map(|why| to_be_said(&mut held, why.map(str::to_owned))).collect();
        assert_eq!((said, held), (vec!["a".into(), "b".into(), "b".into()], Some("b".into())), "once each time");
    }

    #[test]
    fn a_change_is_not_lost_to_a_read_that_failed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let mut watched = WatchedFiles::new([path.clone()]);
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
        let mut watched = WatchedFiles::new([path.clone()]);
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
        let mut watched = WatchedFiles::new([path.clone()]);
        fs::write(&path, "bad").unwrap();
        age(&path, Duration::from_secs(60));
        let useless = || Err::<String, _>(Unread::Useless("no list".to_owned()));
        assert_eq!(watched.look(useless), Some(Err("no list".to_owned())));
        assert_eq!(watched.look(|| text(&path)), None, "it is not read again");
        fs::write(&path, "good").unwrap();
        age(&path, Duration::from_secs(50));
        assert_eq!(watched.look(|| text(&path)), Some(Ok("good".to_owned())));
    }

    #[test]
    fn what_is_useless_and_new_is_read_again_until_it_settles_and_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cert");
        let mut watched = WatchedFiles::new([path.clone()]);
        let useless = || Err::<String, _>(Unread::Useless("another key".to_owned()));
        fs::write(&path, "one").unwrap();
        assert_eq!(watched.look(useless), Some(Err("another key".to_owned())));
        for _ in 0..4 {
            assert_eq!(watched.look(useless), None, "said once, though it is read again");
        }
        age(&path, Duration::from_secs(60));
        assert_eq!(watched.look(useless), None, "nothing is new in it but its time");
        fs::write(&path, "two").unwrap();
        assert_eq!(watched.look(useless), Some(Err("another key".to_owned())), "the files have changed again");
        assert_eq!(watched.look(useless), None);
    }
}
