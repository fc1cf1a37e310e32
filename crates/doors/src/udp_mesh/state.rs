//! The members of a directory in a small file, so that a restart does not lose the legacy peers, who never ask again.
//!
//! Text, a member a line; replaced as a whole. People name the file: what does not read as one is theirs, or was damaged, and
//! is for them to move away. It is never replaced.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rumormill_limits::file::{FileError, Held, read_own, write_private};
use rumormill_wire::NodeId;
use rumormill_wire::udp_mesh::{NameChar, extended::is_name};

use super::config::MAX_MEMBERS;
use super::directory::{Own, Saved};

/// The first line of such a file; a later form has a higher number.
const HEAD: &str = "rumormill udp-mesh 1";
/// A file of all members there may be is shorter.
const MAX_FILE_LEN: u64 = 8 << 20;

/// What a run leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Members {
    /// The last version of the directory.
    pub(super) version: u64,
    /// Those that were listed when the file was written.
    pub(super) members: Vec<Saved>,
}

/// Takes the file for this program alone, for as long as what it gives lives: two would replace what each other keeps there.
/// Nothing where its directory is not there yet: that one is its node's, which sees to it that it is alone.
///
/// # Errors
/// Another program has it, or no file can be made beside it.
pub(super) fn hold(path: &Path) -> io::Result<Option<Held>> {
    let mut lock = path.as_os_str().to_owned();
    lock.push("-lock");
    let in_use =
        || io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps its members there; name another");
    match Held::take(lock.into()) {
        Ok(held) => held.ok_or_else(in_use).map(Some),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// Reads the file; nothing if there is none.
///
/// # Errors
/// It is something else than a list of members, or cannot be read.
pub(super) fn load(path: &Path) -> io::Result<Members> {
    let mut found = None;
    let mut is_list = |bytes: &[u8]| {
        found = std::str::from_utf8(bytes).ok().and_then(read);
        found.is_some()
    };
    read_own(path, MAX_FILE_LEN, &mut is_list)?;
    Ok(found.unwrap_or_default())
}

/// Replaces the file in one step. What stands there stays if anything fails, or if it is something else by now.
pub(super) fn store(path: &Path, kept: &Members) -> io::Result<()> {
    read_own(path, MAX_FILE_LEN, |bytes| bytes.starts_with(HEAD.as_bytes()))?;
    write_private(path, written(kept).as_bytes()).map_err(FileError::into_source)
}

fn written(kept: &Members) -> String {
    let mut out = format!("{HEAD}\n{}\n", kept.version);
    for member in &kept.members {
        let character = member.character.map_or(0, |character| u32::from(character.get()));
        let birth = member.birth.map_or_else(|| "-".to_owned(), |birth| birth.to_string());
        let (key, name) = match &member.own {
            Some(own) => (NodeId(own.key).to_string(), own.name.as_str()),
            None => ("-".to_owned(), "-"),
        };
        // The name comes last: it may hold spaces.
        let done = writeln!(out, "{character} {} {birth} {} {key} {name}", member.addr, member.time);
        debug_assert!(done.is_ok(), "a String takes all");
    }
    out
}

fn read(text: &str) -> Option<Members> {
    let mut lines = text.lines();
    if lines.next()? != HEAD {
        return None;
    }
    let version = lines.next()?.parse().ok()?;
    let members = lines.take(MAX_MEMBERS).map(member).collect::<Option<_>>()?;
    Some(Members { version, members })
}

fn member(line: &str) -> Option<Saved> {
    let mut fields = line.splitn(6, ' ');
    let mut next = || fields.next();
    let character = char::from_u32(next()?.parse().ok()?)?;
    let character = if character == '\0' { None } else { Some(NameChar::new(character)?) };
    let addr: SocketAddr = next()?.parse().ok().filter(|addr: &SocketAddr| addr.port() != 0)?;
    let birth = match next()? {
        "-" => None,
        birth => Some(birth.parse().ok()?),
    };
    let time = next()?.parse().ok()?;
    let own = match (next()?, next()?) {
        ("-", _) => None,
        (key, name) if is_name(name) => Some(Own { key: key.parse::<NodeId>().ok()?.0, name: name.to_owned() }),
        _ => return None,
    };
    (character.is_some() || own.is_some()).then_some(Saved { character, addr, own, birth, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Members {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let old = Saved { character: NameChar::new(' '), addr: addr(3_001), own: None, birth: Some(addr(9)), time: 0 };
        let own = Own { key: [7; 32], name: "anna b".into() };
        let ours = Saved { character: None, addr: "[::1]:4".parse().unwrap(), own: Some(own), birth: None, time: 12 };
        Members { version: 77, members: vec![old, ours] }
    }

    #[test]
    fn what_is_stored_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("members");
        assert_eq!(load(&path).unwrap(), Members::default());
        for _ in 0..2 {
            store(&path, &kept()).unwrap();
            assert_eq!(load(&path).unwrap(), kept());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    /// Of what is not ours nothing is read as members and nothing is replaced, at the start and later.
    #[test]
    fn a_file_of_another_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("precious.txt"), dir.path().join("link"));
        for theirs in ["", "my notes\n", "rumormill udp-mesh 2\n1\n"] {
            std::fs::write(&path, theirs).unwrap();
            let why = load(&path).unwrap_err().to_string();
            assert!(why.contains("move it away, or name another"), "{why}");
            assert!(store(&path, &kept()).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
        }
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(load(&link).is_err() && store(&link, &kept()).is_err());
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        // One of ours that is damaged may be mended by hand.
        std::fs::write(&path, format!("{HEAD}\n1\nno member\n")).unwrap();
        assert!(load(&path).is_err());
    }

    #[test]
    fn one_program_at_a_time_keeps_members_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("members"), dir.path().join("link"));
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        let first = hold(&path).unwrap();
        for path in [&path, &link.join("members")] {
            assert!(hold(path).unwrap_err().to_string().contains("another program"), "{}", path.display());
        }
        drop(first);
        assert!(hold(&path).unwrap().is_some());
        assert!(hold(&dir.path().join("gone/members")).unwrap().is_none());
    }

    #[test]
    fn a_broken_file_is_refused_wherever_it_breaks() {
        let text = written(&kept());
        for end in 0..text.len() {
            // Whether a beginning reads as a shorter list or not at all: no panic, and no member that was not there.
            if let Some(found) = read(&text[..end]) {
                assert!(found.members.len() <= 2);
            }
        }
        for line in
            ["", "65", "65 127.0.0.1:0 - 0 - -", "7 127.0.0.1:1 - 0 - -", "0 127.0.0.1:1 - 0 - -", "65 x - 0 - -"]
        {
            assert_eq!(member(line), None, "{line}");
        }
        assert!(read("something else\n1\n").is_none());
    }
}
