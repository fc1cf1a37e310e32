//! Whether a directory or a key file is our user's own. Who can write where a node keeps its keys can choose them: a key
//! that somebody else put there is neither certified nor used.
//!
//! A directory has to be a directory and no link to one, belong to our user, and be written by nobody else; none of those
//! above it may be written by everybody, unless it is one like `/tmp`, where each moves only what is its own. A key file
//! belongs to our user or to root, is written by nobody else, and is not read by everybody. So does the directory in which a
//! file is that was there before us, but root may own it, as with what an administrator or the service manager put there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most bytes of a file that is read whole. Keys and certificates have a few KiB; a pin file of this size names 15,000
/// nodes.
const MOST: u64 = 1 << 20;
/// Bits of the mode by which group or others may write.
const WRITABLE: u32 = 0o022;
/// The bit by which everybody may write.
const OPEN: u32 = 0o002;
/// The bit by which everybody may read.
const READABLE: u32 = 0o004;
/// Who is not the owner of a file moves none, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// Why a directory or a file is not trusted, and the way out. It goes behind a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// A link where a directory should be.
    #[error("it is a symbolic link, not a directory; name the directory itself")]
    Link,
    /// Something else where a directory should be.
    #[error("it is a file, not a directory; name a directory")]
    NotADirectory,
    /// Something else where a directory above it should be.
    #[error("{}, above it, is a file, not a directory; name one elsewhere", .0.display())]
    BelowAFile(PathBuf),
    /// Something else where a file should be.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is another user's.
    #[error(
        "it belongs to another user (uid {owner}; this runs as {me}); look at what is in it, then make it over with chown, or name another"
    )]
    Foreign {
        /// The user id of its owner.
        owner: u32,
        /// The effective user id of this process.
        me: u32,
    },
    /// Group or others may write there.
    #[error(
        "it can be written by others (mode {mode:03o}); look at what is in it, then `chmod go-w` it, or name another"
    )]
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// The mode of a key.
    #[error(
        "it is a key that everybody can read (mode {mode:03o}); make a new one if others could, else `chmod 600` it"
    )]
    Readable {
        /// Its permission bits.
        mode: u32,
    },
    /// The mode of a directory above it.
    #[error("{}, above it, can be written by everybody (mode {mode:03o}), who could so put another in its place; name one elsewhere", above.display())]
    Above {
        /// The nearest such directory.
        above: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It has more than 1 MiB, which no such file needs.
    #[error("it is longer than 1 MiB")]
    Long,
}

impl From<NotOurs> for io::Error {
    fn from(why: NotOurs) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, why)
    }
}

/// Whether the path names something else than a directory, so that none can be there.
#[must_use]
pub fn is_no_directory(why: &io::Error) -> bool {
    let ours = why.get_ref().and_then(|why| why.downcast_ref::<NotOurs>());
    matches!(ours, Some(NotOurs::NotADirectory | NotOurs::BelowAFile(_)))
}

/// What the system says of a path below a file does not name that file.
fn below_a_file(path: &Path, why: io::Error) -> io::Error {
    if why.kind() != io::ErrorKind::NotADirectory {
        return why;
    }
    let is_other = |above: &&Path| fs::metadata(above).is_ok_and(|about| !about.is_dir());
    match path.ancestors().skip(1).find(is_other) {
        Some(above) => NotOurs::BelowAFile(above.to_owned()).into(),
        None => why,
    }
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Sees that a directory is our user's own.
///
/// # Errors
/// It is not ([`NotOurs`]), or cannot be looked at.
pub fn check_dir(path: &Path) -> io::Result<()> {
    let about = dir(path)?;
    let (owner, me) = (about.uid(), me());
    if owner != me {
        return Err(NotOurs::Foreign { owner, me }.into());
    }
    check_owners(path, &about)
}

/// The user who alone, beside root, says what is in a directory and which directory it is: its owner.
///
/// # Errors
/// Others do too ([`NotOurs`]), or it cannot be looked at.
pub fn owner_of_dir(path: &Path) -> io::Result<u32> {
    let about = dir(path)?;
    check_owners(path, &about)?;
    Ok(about.uid())
}

/// What the system says of a directory that is no link to one.
fn dir(path: &Path) -> io::Result<Metadata> {
    let about = fs::symlink_metadata(path).map_err(|why| below_a_file(path, why))?;
    if about.is_symlink() {
        return Err(NotOurs::Link.into());
    }
    if !about.is_dir() {
        return Err(NotOurs::NotADirectory.into());
    }
    Ok(about)
}

/// Sees that nobody but a directory's owner and root writes in it, or puts another in its place.
fn check_owners(path: &Path, about: &Metadata) -> io::Result<()> {
    let mode = about.mode() & 0o7777;
    if mode & WRITABLE != 0 {
        return Err(NotOurs::Writable { mode }.into());
    }
    let named = std::path::absolute(path)?;
    check_above(&named)?;
    check_above(&fs::canonicalize(&named)?)
}

fn check_above(path: &Path) -> io::Result<()> {
    for above in path.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode() & 0o7777;
        if mode & OPEN != 0 && mode & STICKY == 0 {
            return Err(NotOurs::Above { above: above.to_owned(), mode }.into());
        }
    }
    Ok(())
}

/// Sees that what is in a directory stays as our user and root have it.
pub(super) fn check_kept(dir: &Path) -> io::Result<()> {
    // Whose link it is, then whose directory.
    check_owner(&fs::symlink_metadata(dir)?)?;
    let about = fs::metadata(dir)?;
    check_owner(&about)?;
    let mode = about.mode() & 0o7777;
    if mode & WRITABLE != 0 {
        return Err(NotOurs::Writable { mode }.into());
    }
    check_above(dir)
}

/// Makes a directory that only its owner enters, and those above it. What is there already stays as it is: whose it is, is not looked
/// at ([`make_dir`] does).
///
/// # Errors
/// It cannot be made.
pub fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The same, and sees that it is our user's own.
///
/// # Errors
/// It cannot be made, or is not ours ([`NotOurs`]).
pub fn make_dir(path: &Path) -> io::Result<()> {
    match create_dir(path) {
        // What is there instead is looked at below.
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(below_a_file(path, why)),
        _ => check_dir(path),
    }
}

/// Reads a key file of at most 1 MiB.
///
/// # Errors
/// It cannot be read, or is not to be trusted ([`NotOurs`]).
pub fn read_key(path: &Path) -> io::Result<Vec<u8>> {
    read(path, true)
}

/// Reads a file of at most 1 MiB that decides whom we trust.
///
/// # Errors
/// It cannot be read, or is not to be trusted ([`NotOurs`]).
pub fn read_trusted(path: &Path) -> io::Result<Vec<u8>> {
    read(path, false)
}

fn read(path: &Path, key: bool) -> io::Result<Vec<u8>> {
    // Whose link it is, and that it is no pipe, which opening would wait for.
    check_owner(&fs::symlink_metadata(path)?)?;
    if !fs::metadata(path)?.is_file() {
        return Err(NotOurs::NotAFile.into());
    }
    let file: File = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path)?;
    // Of the file that is open: its name may be another's by now.
    let about = file.metadata()?;
    let mode = about.mode() & 0o7777;
    if !about.is_file() {
        return Err(NotOurs::NotAFile.into());
    }
    check_owner(&about)?;
    if mode & WRITABLE != 0 {
        return Err(NotOurs::Writable { mode }.into());
    }
    if key && mode & READABLE != 0 {
        return Err(NotOurs::Readable { mode }.into());
    }
    let mut bytes = Vec::new();
    file.take(MOST.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST {
        return Err(NotOurs::Long.into());
    }
    Ok(bytes)
}

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0)
}

/// A file may be root's: nobody can guard against root.
fn check_owner(about: &Metadata) -> io::Result<()> {
    let (owner, me) = (about.uid(), me());
    if owner == me || owner == 0 { Ok(()) } else { Err(NotOurs::Foreign { owner, me }.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::super::check_dir_of;
    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn why<T: std::fmt::Debug>(result: io::Result<T>) -> NotOurs {
        let why = result.unwrap_err();
        why.get_ref().and_then(|why| why.downcast_ref::<NotOurs>()).unwrap_or_else(|| panic!("{why}")).clone()
    }

    #[test]
    fn a_directory_is_ours_alone_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("above/d");
        make_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        for open in [0o770, 0o707, 0o720, 0o1777] {
            mode(&path, open);
            assert_eq!(why(check_dir(&path)), NotOurs::Writable { mode: open });
            assert_eq!(why(owner_of_dir(&path)), NotOurs::Writable { mode: open });
            assert_eq!(why(make_dir(&path)), NotOurs::Writable { mode: open }, "one that is there is looked at too");
        }
        mode(&path, 0o755);
        check_dir(&path).unwrap();
        assert_eq!(owner_of_dir(&path).unwrap(), me());
        mode(&dir.path().join("above"), 0o777);
        assert!(
            matches!(why(owner_of_dir(&path)), NotOurs::Above { mode: 0o777, .. }),
            "another may be put in its place"
        );
        mode(&dir.path().join("above"), 0o755);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(why(check_dir(&link)), NotOurs::Link);
        assert_eq!(why(make_dir(&link)), NotOurs::Link);
        fs::write(path.join("f"), "").unwrap();
        let file = path.join("f");
        for refused in [check_dir(&file), make_dir(&file), check_dir(&file.join("d")), make_dir(&file.join("d/e"))] {
            assert!(is_no_directory(refused.as_ref().unwrap_err()), "{refused:?}");
        }
        assert_eq!(why(make_dir(&file)), NotOurs::NotADirectory);
        assert_eq!(why(make_dir(&file.join("d/e"))), NotOurs::BelowAFile(file));
        let above = path.parent().unwrap();
        mode(above, 0o1777);
        check_dir(&path).unwrap();
        mode(above, 0o777);
        assert!(matches!(why(check_dir(&path)), NotOurs::Above { mode: 0o777, .. }));
    }

    #[test]
    fn a_key_is_ours_and_nobody_elses_to_read_or_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "secret").unwrap();
        for good in [0o600, 0o400, 0o640] {
            mode(&path, good);
            assert_eq!(read_key(&path).unwrap(), b"secret");
        }
        mode(&path, 0o644);
        assert_eq!(why(read_key(&path)), NotOurs::Readable { mode: 0o644 });
        assert_eq!(read_trusted(&path).unwrap(), b"secret", "a certificate may be read");
        for bad in [0o620, 0o602] {
            mode(&path, bad);
            assert_eq!(why(read_key(&path)), NotOurs::Writable { mode: bad });
            assert_eq!(why(read_trusted(&path)), NotOurs::Writable { mode: bad });
        }
        assert_eq!(why(read_key(dir.path())), NotOurs::NotAFile);
        assert_eq!(read_key(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let long = dir.path().join("long");
        fs::write(&long, vec![0; (1 << 20) + 1]).unwrap();
        mode(&long, 0o600);
        assert_eq!(why(read_key(&long)), NotOurs::Long);
    }

    #[test]
    fn what_lies_where_others_can_write_is_not_used_wherever_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let [real, other] = ["real", "other"].map(|name| dir.path().join(name));
        make_dir(&real).unwrap();
        make_dir(&other).unwrap();
        let (file, link, through) = (real.join("cert"), other.join("cert"), dir.path().join("through"));
        fs::write(&file, "").unwrap();
        symlink(&file, &link).unwrap();
        symlink(&real, &through).unwrap();
        let refused = |path: &Path| {
            let why = check_dir_of(path).unwrap_err();
            (why.to_string(), self::why::<()>(Err(why.into_source())))
        };
        for path in [&file, &link, &through.join("cert")] {
            check_dir_of(path).unwrap();
        }
        for open in [0o777, 0o1777, 0o770] {
            mode(&real, open);
            for path in [&file, &link, &through.join("cert")] {
                let (said, why) = refused(path);
                assert_eq!(why, NotOurs::Writable { mode: open });
                let place = if path.starts_with(&through) { &through } else { &real };
                assert!(said.contains(&format!("{}: ", place.display())), "{said}");
            }
        }
        mode(&real, 0o755);
        mode(&other, 0o777);
        assert_eq!(refused(&link).1, NotOurs::Writable { mode: 0o777 }, "who can move the link chooses the file");
        check_dir_of(&file).unwrap();
        mode(dir.path(), 0o777);
        assert!(matches!(refused(&file).1, NotOurs::Above { .. }));
        mode(dir.path(), 0o700);
        assert!(check_dir_of(&real.join("none")).unwrap_err().is_missing());
    }

    /// Only root can give a file away.
    #[test]
    fn what_another_user_planted_is_refused() {
        if me() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (path, sub, link) = (dir.path().join("key"), dir.path().join("d"), dir.path().join("link"));
        fs::write(&path, "theirs").unwrap();
        mode(&path, 0o600);
        symlink(&path, &link).unwrap();
        assert_eq!(read_key(&link).unwrap(), b"theirs", "a link of ours to a key of ours");
        std::os::unix::fs::lchown(&link, Some(12_345), None).unwrap();
        assert_eq!(why(read_key(&link)), NotOurs::Foreign { owner: 12_345, me: 0 });
        chown(&path, Some(12_345), None).unwrap();
        assert_eq!(why(read_key(&path)), NotOurs::Foreign { owner: 12_345, me: 0 });
        make_dir(&sub).unwrap();
        chown(&sub, Some(12_345), None).unwrap();
        assert_eq!(why(check_dir(&sub)), NotOurs::Foreign { owner: 12_345, me: 0 });
        fs::write(sub.join("cert"), "").unwrap();
        let refused = |path: &Path| why::<()>(Err(check_dir_of(path).unwrap_err().into_source()));
        assert_eq!(refused(&sub.join("cert")), NotOurs::Foreign { owner: 12_345, me: 0 });
        let theirs = dir.path().join("theirs");
        symlink(dir.path(), &theirs).unwrap();
        check_dir_of(&theirs.join("key")).unwrap();
        std::os::unix::fs::lchown(&theirs, Some(12_345), None).unwrap();
        assert_eq!(refused(&theirs.join("key")), NotOurs::Foreign { owner: 12_345, me: 0 }, "a link of theirs to ours");
    }
}
