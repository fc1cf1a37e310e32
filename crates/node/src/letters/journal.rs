//! A file of JSON lines that only grows until it is written anew. What [`Journal::append`] took survives a crash.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::JournalRecord;
use crate::files::write_private;

/// A file that is longer is not ours: the bounds on what it holds leave it far below.
const MAX_FILE: u64 = 512 << 20;
/// After so many bytes it is written anew.
const MAX_APPENDED: u64 = 32 << 20;

/// The open file of letters, to whose end records are added.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    appended: u64,
    /// The end of the file is not known to be whole: it is written anew before anything else.
    torn: bool,
}

impl Journal {
    /// What a file holds. The last line, if a crash has cut it, is left out; others that cannot be read are kept aside.
    pub(crate) fn read(path: &Path) -> io::Result<Vec<JournalRecord>> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(why),
        };
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {MAX_FILE} bytes")));
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').and_then(|at| bytes.get(..at)).unwrap_or_default();
        let (mut records, mut bad) = (Vec::new(), Vec::new());
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(record) => records.push(record),
                Err(_) => bad.extend_from_slice(&[line, b"\n"].concat()),
            }
        }
        // A crash cuts a record; what begins otherwise is none.
        let cut = bytes.get(whole.len()..).unwrap_or_default().trim_ascii();
        if !cut.is_empty() && !cut.starts_with(b"{") {
            bad.extend_from_slice(&[cut, b"\n"].concat());
        }
        if !bad.is_empty() {
            let aside = path.with_extension("jsonl.bad");
            tracing::error!(path = %path.display(), aside = %aside.display(), "lines that cannot be read are kept aside");
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&aside)?;
            file.write_all(&bad)?;
            file.sync_all()?;
        }
        Ok(records)
    }

    /// Writes it anew with these records, and opens it.
    pub(crate) fn create(path: &Path, records: &[JournalRecord]) -> io::Result<Self> {
        write_private(path, &lines(records)?)?;
        let file = OpenOptions::new().append(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, len, appended: 0, torn: false })
    }

    /// What others did to the file under its name, so that it is not what was written here any more. They may have put an old copy in
    /// its place, or written one over it.
    pub(crate) fn lost(&self) -> Option<&'static str> {
        let id = |about: &Metadata| (about.dev(), about.ino());
        // What cannot be looked at now is not known to be lost.
        let ours = self.file.metadata().ok()?;
        match fs::metadata(&self.path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Some("was removed or renamed"),
            Err(_) => None,
            Ok(there) if id(&there) != id(&ours) => Some("was replaced by another file"),
            Ok(there) if there.len() != self.len && !self.torn => Some("was written by another program"),
            Ok(_) => None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is time for [`Journal::renew`].
    pub(crate) const fn is_long(&self) -> bool {
        self.torn || self.appended > MAX_APPENDED
    }

    /// Writes the file anew, with these records alone.
    pub(crate) fn renew(&mut self, records: &[JournalRecord]) -> io::Result<()> {
        *self = Self::create(&self.path, records)?;
        Ok(())
    }

    /// Appends records, all or nothing. Waits for the disk.
    pub(crate) fn append(&mut self, records: &[JournalRecord]) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("the file of letters could not be written before"));
        }
        let bytes = lines(records)?;
        if let Err(why) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            self.torn = self.file.set_len(self.len).and_then(|()| self.file.sync_data()).is_err();
            return Err(why);
        }
        let added = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.len = self.len.saturating_add(added);
        self.appended = self.appended.saturating_add(added);
        Ok(())
    }
}

fn lines(records: &[JournalRecord]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        serde_json::to_writer(&mut bytes, record)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}
