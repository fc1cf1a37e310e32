//! A home that lost its revocation list, or has an old copy of it: what is signed from there no node would take (P-R2), and
//! what the lost list says would be forgotten. So nothing is signed before the list is back. A list or a number that cannot be
//! read is as good as lost, and is mended by what mends a lost one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rumormill_wire::NodeId;
use rumormill_wire::native::{ListPart, Revocations, place_of};

use crate::ca::{CaError, LocalCa};
use crate::files::{self, FileError};
use crate::revocation::check;
use crate::trust::Trust;
use crate::way_out;

/// A higher number than this is not believed unless the list itself has it: a list each millisecond would take 8,900 years to
/// come so far, and after the highest there could be no other.
const MAX_NUMBER: u64 = 1 << 48;
/// The name that a damaged list gets before another takes its place.
const QUARANTINE: &str = "revoked.bin.damaged";

/// What a running node has in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtNode {
    /// The number of its list; 0 for none.
    pub list: u64,
    /// The part for the node that is to be revoked, as the CA signed it.
    pub part: Option<Vec<u8>>,
}

/// What is known of earlier lists when the next is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// What a node has that was asked.
    pub at_node: Option<AtNode>,
    /// The list of this home is lost and no node has it: numbers go on after the last that is known here.
    pub begin_anew: bool,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The list of this home now.
    pub list: Revocations,
    /// How many of its parts are new here.
    pub parts: usize,
    /// Of whom this home said something else, which no node took.
    pub otherwise: Vec<NodeId>,
    /// The file of the last number, if it was damaged: it says the number of this list now.
    pub number_mended: Option<PathBuf>,
    /// Where a damaged list of this home is kept.
    pub quarantine: Option<PathBuf>,
}

/// The list of a home as it lies there.
pub(crate) struct Found {
    /// None of what is damaged.
    pub(crate) list: Revocations,
    /// What lies there is none.
    pub(crate) damaged: bool,
}

impl From<Revocations> for Found {
    fn from(list: Revocations) -> Self {
        Self { list, damaged: false }
    }
}

impl LocalCa {
    /// Where the number of the last list that was made here stands: by it one sees that the list is gone, or an old copy.
    pub(crate) fn last_number_path(&self) -> PathBuf {
        self.home().join("revoked.number")
    }

    /// The number of the last list that was made here; 0 for none, or where there is no such file. `None` for a damaged one.
    pub(crate) fn last_number(&self, list: &Revocations) -> Result<Option<u64>, CaError> {
        match files::read(&self.last_number_path()) {
            Ok(bytes) => {
                let number = String::from_utf8_lossy(&bytes).trim().parse().ok();
                Ok(number.filter(|number| *number <= MAX_NUMBER.max(list.number())))
            }
            Err(why) if why.is_missing() => Ok(Some(0)),
            Err(why) => Err(why.into()),
        }
    }

    /// The list of this home for what mends it: a damaged one is none.
    pub(crate) fn found(&self) -> Result<Found, CaError> {
        match self.revocations() {
            Ok(list) => Ok(list.into()),
            Err(CaError::ListDamaged { .. }) => Ok(Found { list: Revocations::default(), damaged: true }),
            Err(why) => Err(why),
        }
    }

    /// Keeps a damaged list before another takes its place: people may know more of it than we do.
    pub(crate) fn quarantine_list(&self, damaged: bool) -> Result<Option<PathBuf>, CaError> {
        if !damaged {
            return Ok(None);
        }
        let quarantine = self.home().join(QUARANTINE);
        let kept = std::fs::rename(Self::revocations_path(self.home()), &quarantine);
        kept.map_err(FileError::at("keep the damaged list as", &quarantine))?;
        Ok(Some(quarantine))
    }

    /// The list of this home, if it is the last that was made here.
    ///
    /// # Errors
    /// [`CaError::ListLost`]: it is gone, or an old copy. [`CaError::NumberDamaged`]: nothing says whether it is. Or it does not
    /// hold.
    pub fn last_list(&self) -> Result<Revocations, CaError> {
        let list = self.revocations()?;
        match self.last_number(&list)? {
            None => Err(CaError::NumberDamaged { path: self.last_number_path(), has: list.number() }),
            Some(last) if list.number() < last => Err(self.lost(&list, format!("list {last} was made here"))),
            Some(_) => Ok(list),
        }
    }

    /// The number after which the next list goes on.
    pub(crate) fn goes_on_after(&self, list: &Revocations, node: &NodeId, before: &Before) -> Result<u64, CaError> {
        if let Some(at_node) = &before.at_node {
            self.compare(list, node, at_node)?;
        }
        if before.begin_anew {
            return Ok(self.last_number(list)?.unwrap_or_default().max(list.number()));
        }
        self.last_list()?;
        if list.number() == 0
            && let Some(sign) = self.sign_of_a_list()?
        {
            return Err(self.lost(list, sign));
        }
        Ok(list.number())
    }

    /// A node takes a part with a higher number, and no other; one that has no higher number everywhere says so too late.
    fn compare(&self, list: &Revocations, node: &NodeId, at_node: &AtNode) -> Result<(), CaError> {
        if at_node.list > list.number() {
            return Err(self.lost(list, format!("the running node has list {}", at_node.list)));
        }
        let Some(bytes) = &at_node.part else { return Ok(()) };
        let theirs = self.checked(bytes)?;
        let ours = list.part(place_of(node));
        if theirs.number() > ours.map_or(0, |part| part.number()) {
            let what = format!("the running node has list {} where {node} would stand", theirs.number());
            return Err(self.lost(list, what));
        }
        if ours.is_some_and(|ours| ours.number() == theirs.number() && ours.bytes() != theirs.bytes()) {
            return Err(self.lost(list, format!("the running node has another list {}", theirs.number())));
        }
        Ok(())
    }

    /// What only a revocation leaves behind: keys that left a list, and a name whose key was changed for another.
    fn sign_of_a_list(&self) -> Result<Option<String>, CaError> {
        if !self.retired()?.is_empty() {
            return Ok(Some(format!("{} has keys that left a list", self.retired_path().display())));
        }
        let mut keys: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
        for (node, names) in self.names() {
            for name in names {
                keys.entry(name).or_default().insert(node);
            }
        }
        let changed = keys.into_iter().find(|(_, nodes)| nodes.len() > 1);
        Ok(changed.map(|(name, _)| format!("{name} has had another key, which was revoked")))
    }

    fn lost(&self, list: &Revocations, sign: String) -> CaError {
        CaError::ListLost { path: Self::revocations_path(self.home()), has: list.number(), sign }
    }

    fn checked(&self, bytes: &[u8]) -> Result<Arc<ListPart>, CaError> {
        let trust = Trust::from_ca(self.certificate()).ok_or_else(|| CaError::Content {
            path: self.certificate_path(),
            what: "a CA certificate",
            way: way_out::CA_PEM,
        })?;
        check(bytes, &trust).map_err(|why| CaError::Revocations(format!("what the node has: {why}")))
    }

    /// Puts back what a node has in force, each part only if the CA signed it. Where both have the same number with another
    /// content, nodes go by what they have, and so does this home. Where there is a list then, a damaged number of the last
    /// becomes its number; a damaged list is put aside.
    ///
    /// # Errors
    /// A part is not this CA's, or a file cannot be read or written; then nothing is changed.
    pub fn restore(&self, parts: &[Vec<u8>]) -> Result<Restored, CaError> {
        let _lock = files::lock(&self.home().join("lock"))?;
        let Found { list: before, damaged } = self.found()?;
        let mut all: BTreeMap<_, _> = before.parts().map(|part| (part.place(), Arc::clone(part))).collect();
        let mut replaced = BTreeMap::new();
        for bytes in parts {
            let theirs = self.checked(bytes)?;
            let ours = all.get(&theirs.place());
            if ours.is_some_and(|ours| ours.number() > theirs.number() || ours.bytes() == theirs.bytes()) {
                continue;
            }
            let old = all.insert(theirs.place(), Arc::clone(&theirs));
            replaced.insert(theirs.place(), old);
        }
        let mut list = Revocations::default();
        for part in all.into_values() {
            list.take(part);
        }
        let retired = self.retired()?;
        let old = replaced.values().flatten().flat_map(|part| part.nodes());
        let otherwise = old.filter(|(node, said)| list.get(node) != Some(*said) && !retired.contains(node));
        let otherwise = otherwise.map(|(node, _)| *node).collect();
        let number_damaged = self.last_number(&list)?.is_none();
        let mut quarantine = None;
        // That there is a number at all says that there was a list: none is no last one.
        if !replaced.is_empty() || number_damaged && list.number() > 0 {
            quarantine = self.quarantine_list(damaged)?;
            self.write_list(&list)?;
        }
        let number_mended = (number_damaged && list.number() > 0).then(|| self.last_number_path());
        Ok(Restored { list, parts: replaced.len(), otherwise, number_mended, quarantine })
    }
}
