//! Files that doors write: each is one door's alone, and none is the node's. Who shares one replaces what the other keeps there.

use std::path::PathBuf;

use rumormill_doors::SpecError;
use rumormill_limits::file::Place;

use crate::config::{IdentitySource, NodeConfig};
use crate::files::NODE_FILES;

/// Files that somebody writes, and who.
pub(super) struct WrittenFiles(Vec<(String, Place)>);

impl WrittenFiles {
    /// Those of the node. Others that it reads are there when doors are bound, and no door replaces what it did not write.
    pub(super) fn of_node(config: &NodeConfig) -> Self {
        let state = config.state.iter().flat_map(|dir| NODE_FILES.iter().map(move |file| dir.join(file)));
        let home = match &config.identity {
            IdentitySource::LocalCa { home } => home.as_ref(),
            IdentitySource::Files { .. } | IdentitySource::Pinned { .. } => None,
        };
        let incarnations = home.into_iter().chain(&config.state);
        let incarnations = incarnations.map(|dir| dir.join(format!("incarnations/{}.incarnation", config.name)));
        let all = state.chain(config.socket_path()).chain(incarnations);
        Self(all.map(|path| ("the node".to_owned(), Place::of(&path))).collect())
    }

    /// A door writes these.
    ///
    /// # Errors
    /// Somebody else writes one of them.
    pub(super) fn take(&mut self, door: &str, files: Vec<PathBuf>) -> Result<(), SpecError> {
        for path in files {
            let place = Place::of(&path);
            if let Some((who, _)) = self.0.iter().find(|(_, other)| other.is(&place)) {
                let who = if who == "the node" { who.clone() } else { format!("door `{who}`") };
                let reason = format!("{} is a file that {who} keeps; name another", path.display());
                return Err(SpecError { door: door.to_owned(), reason });
            }
            self.0.push((door.to_owned(), place));
        }
        Ok(())
    }
}
