//! Whether two paths lead to one file, also where there is none yet.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Where a file is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    /// Device and inode, if it is there: a hard link has another path.
    file: Option<(u64, u64)>,
}

impl Place {
    /// Looks at a path, through links. What cannot be looked at counts as not there.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let file = fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
        Self { path: resolved(path), file }
    }

    /// Whether they are one file.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.path == other.path || self.file.is_some() && self.file == other.file
    }
}

/// The path without links as far as it is there, and the rest of it as it is written.
fn resolved(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rest = Vec::new();
    let mut there = whole.as_path();
    let mut found = loop {
        if let Ok(found) = there.canonicalize() {
            break found;
        }
        rest.extend(there.components().next_back());
        match there.parent() {
            Some(parent) => there = parent,
            None => break there.to_owned(),
        }
    };
    for part in rest.into_iter().rev() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::Normal(name) => found.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_by_any_path_is_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        fs::write(at("file"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        symlink(at("file"), at("soft")).unwrap();
        let same = |one: &str, two: &str| Place::of(&at(one)).is(&Place::of(&at(two)));
        for (one, two) in [
            ("file", "file"),
            ("file", "hard"),
            ("file", "soft"),
            ("file", "real/../file"),
            ("file", "./file"),
            // Not there yet, nor some directories above.
            ("real/new", "link/new"),
            ("none/yet/file", "none/./yet/file"),
            ("none/yet/file", "none/else/../yet/file"),
        ] {
            assert!(same(one, two) && same(two, one), "{one} and {two}");
        }
        for (one, two) in [("file", "other"), ("real/new", "real/new2"), ("none/a", "none/b"), ("real/file", "file")] {
            assert!(!same(one, two), "{one} and {two}");
        }
    }
}
