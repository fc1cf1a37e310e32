//! Which incarnation an identity writes under (ARCHITECTURE.md, "Decisions that shape the rest"). A number that was used is never used again, even by a node
//! in memory that is started twice within a second: the highest one is kept in a file of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rumormill_limits::MAX_INCARNATION_AHEAD_S;
use rumormill_wire::Incarnation;

use crate::clock::Wall;
use crate::files::{private_dir, write_private};

/// The high-water file of one identity.
#[derive(Debug)]
pub(crate) struct Incarnations {
    path: PathBuf,
    highest: u64,
    wall: Wall,
}

impl Incarnations {
    /// Opens the file of an identity in a directory, which is made if it is not there.
    pub(crate) fn open(dir: &Path, name: &str, wall: Wall) -> io::Result<Self> {
        private_dir(dir)?;
        let path = dir.join(format!("{name}.incarnation"));
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file.take(64).read_to_string(&mut text).map(drop).or_else(|e| match e.kind() {
                io::ErrorKind::InvalidData => Ok(()),
                _ => Err(e),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let highest = text.trim().parse().unwrap_or(0);
        // One that others would not believe is damage.
        let highest = if highest > wall.now_s().saturating_add(MAX_INCARNATION_AHEAD_S) { 0 } else { highest };
        Ok(Self { path, highest, wall })
    }

    /// Whether it says which was used last.
    pub(crate) const fn is_marked(&self) -> bool {
        self.highest > 0
    }

    /// A fresh one: the time in seconds, or the one after the highest used. Durable before it is given out.
    pub(crate) fn fresh(&mut self) -> io::Result<Incarnation> {
        let next = self.wall.now_s().max(self.highest.saturating_add(1));
        self.store(next)?;
        Ok(Incarnation(next))
    }

    /// The engine has moved to this one. Waits for the disk; it happens a few times in a node's life.
    pub(crate) fn note(&mut self, used: Incarnation) {
        if used.0 > self.highest
            && let Err(error) = self.store(used.0)
        {
            tracing::error!(%error, path = %self.path.display(), "cannot keep the incarnation; do not restart within a second");
        }
    }

    fn store(&mut self, value: u64) -> io::Result<()> {
        write_private(&self.path, format!("{value}\n").as_bytes())?;
        self.highest = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn numbers_grow_even_within_a_second_and_across_openings() {
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for _ in 0..5 {
            let mut file = Incarnations::open(dir.path(), "p0", Wall::default()).unwrap();
            let fresh = file.fresh().unwrap().0;
            assert!(fresh > last && fresh + 60 > Wall::default().now_s());
            last = fresh;
        }
        let mut file = Incarnations::open(dir.path(), "p0", Wall::default()).unwrap();
        file.note(Incarnation(last + 100));
        file.note(Incarnation(3));
        assert_eq!(Incarnations::open(dir.path(), "p0", Wall::default()).unwrap().fresh().unwrap().0, last + 101);
        assert!(
            Incarnations::open(dir.path(), "p1", Wall::default()).unwrap().fresh().unwrap().0
                <= Wall::default().now_s()
        );
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        for text in [&b"\xff\xfe"[..], b"", b"x", b"18446744073709551615"] {
            fs::write(dir.path().join("p.incarnation"), text).unwrap();
            let fresh = Incarnations::open(dir.path(), "p", Wall::default()).unwrap().fresh().unwrap().0;
            assert!(fresh.abs_diff(Wall::default().now_s()) <= 1);
        }
    }
}
