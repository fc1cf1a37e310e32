//! The CA revokes: who goes on the list, what of theirs counts, who leaves it again (docs/protocol.md, R).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::Ed25519KeyPair;
use rumormill_wire::native::{ListPart, MAX_CUT_INCARNATIONS, Revocations, Revoked, WireFault, place_of};
use rumormill_wire::{Incarnation, NodeId, Seq, Signature};

use crate::ca::{CaError, LocalCa};
use crate::certificate::is_name;
use crate::clock::Clock;
use crate::files;
use crate::list_dates::{confirmed, drop_ended};
use crate::lost_list::{Before, Found};
use crate::revocation::{MAX_FILE_LEN, check_file, file, signed_bytes};
use crate::trust::Trust;
use crate::way_out;

pub use crate::list_dates::{KEPT_AFTER_END, OddDate};

/// What still counts of a node: incarnation and last number.
pub type Cut = BTreeMap<Incarnation, Seq>;

/// What came of a revocation: the new list, and what it could not say or says no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The list that is in force now.
    pub list: Revocations,
    /// Incarnations of which no message counts although the cut named some: there was no room for more.
    pub left_out: usize,
    /// Who left the list, because no certificate of theirs is valid any more (P-R5).
    pub dropped: Vec<NodeId>,
    /// The date of the list does not go well with that of the list before.
    pub odd_date: Option<OddDate>,
}

impl LocalCa {
    /// Where the list in force lies.
    #[must_use]
    pub fn revocations_path(home: &Path) -> PathBuf {
        home.join("revoked.bin")
    }

    /// The list in force; an empty one if nobody was ever revoked.
    ///
    /// # Errors
    /// [`CaError::ListDamaged`]: what lies there is none of this CA's.
    pub fn revocations(&self) -> Result<Revocations, CaError> {
        let trust = Trust::from_ca(self.certificate()).ok_or_else(|| CaError::Content {
            path: self.certificate_path(),
            what: "a CA certificate",
            way: way_out::CA_PEM,
        })?;
        let path = Self::revocations_path(self.home());
        match files::read_at_most(&path, MAX_FILE_LEN) {
            Ok(bytes) => check_file(&bytes, &trust).map_err(|why| CaError::ListDamaged { path, why }),
            Err(why) if why.is_missing() => Ok(Revocations::default()),
            Err(why) => Err(why.into()),
        }
    }

    /// Puts a node on the list. With `cut`, its messages count only up to these numbers, and none of another incarnation;
    /// without, a cut that it has already stays. A cut only ever becomes tighter.
    ///
    /// # Errors
    /// The list there does not hold, by the clock none can be made, or a file cannot be written.
    pub fn revoke(&self, node: NodeId, cut: Option<Cut>) -> Result<Done, CaError> {
        self.revoke_as_of(&Before::default(), node, cut, self.clock)
    }

    /// [`LocalCa::revoke`] with what is known of earlier lists. Nothing is written where the list of this home is not the last.
    ///
    /// # Errors
    /// As [`LocalCa::revoke`], and [`CaError::ListLost`].
    pub fn revoke_after(&self, before: &Before, node: NodeId, cut: Option<Cut>) -> Result<Done, CaError> {
        self.revoke_as_of(before, node, cut, self.clock)
    }

    /// [`LocalCa::revoke`] at a time that is given: certificates that ended long before it, and long before the list and the part
    /// that were there, leave the list.
    ///
    /// # Errors
    /// As [`LocalCa::revoke`].
    pub fn revoke_at(&self, node: NodeId, cut: Option<Cut>, now: SystemTime) -> Result<Done, CaError> {
        self.revoke_as_of(&Before::default(), node, cut, Clock::at(now))
    }

    fn revoke_as_of(&self, before: &Before, node: NodeId, cut: Option<Cut>, clock: Clock) -> Result<Done, CaError> {
        let now = clock.validity(Duration::ZERO)?.now_s;
        let _lock = files::lock(&self.home().join("lock"))?;
        let Found { mut list, damaged } = if before.begin_anew { self.found()? } else { self.revocations()?.into() };
        let last = self.goes_on_after(&list, &node, before)?;
        let number = last.checked_add(1).ok_or_else(|| CaError::Revocations("no number is left".to_owned()))?;
        let place = place_of(&node);
        let mut nodes = list.part(place).map(|part| part.nodes().clone()).unwrap_or_default();
        let held = nodes.entry(node).or_insert(Revoked { not_after: u64::MAX, cut: None });
        held.not_after = self.last_end(&node).unwrap_or(held.not_after);
        held.cut = tighter(held.cut.take(), cut);
        let named = held.cut.as_ref().map_or(0, BTreeMap::len);
        let odd_date = OddDate::of(&list, now);
        let dropped = drop_ended(&mut nodes, &node, confirmed(&list, place, now));
        let part = self.sign(place, number, now, &mut nodes)?;
        let left_out =
            named.saturating_sub(nodes.get(&node).and_then(|held| held.cut.as_ref()).map_or(0, BTreeMap::len));
        list.take(Arc::new(part));
        // Whose entry goes must not get a certificate again; that is known before it goes.
        self.retire(&dropped)?;
        self.quarantine_list(damaged)?;
        self.write_list(&list)?;
        Ok(Done { list, left_out, dropped, odd_date })
    }

    /// The list, then its number: a crash in between leaves a number that is too low, and nothing is taken for lost.
    pub(crate) fn write_list(&self, list: &Revocations) -> Result<(), CaError> {
        let number = self.last_number(list)?.unwrap_or_default().max(list.number());
        let names = [Self::revocations_path(self.home()), self.last_number_path()];
        let [list_name, number_name] = names.each_ref().map(|path| path.file_name().map_or(path.as_path(), Path::new));
        let (list, number) = (file(list), format!("{number}\n"));
        Ok(files::write_private_all(self.home(), &[(list_name, &list), (number_name, number.as_bytes())])?)
    }

    /// Signs a part. However many incarnations a node made, its part has a form: each cut has a bound, and in a part that is
    /// full the longest ones give way (P-R3).
    fn sign(
        &self,
        place: u8,
        number: u64,
        issued: u64,
        nodes: &mut BTreeMap<NodeId, Revoked>,
    ) -> Result<ListPart, CaError> {
        for cut in nodes.values_mut().filter_map(|revoked| revoked.cut.as_mut()) {
            shorten(cut, MAX_CUT_INCARNATIONS);
        }
        let part = loop {
            match ListPart::encode(place, number, issued, nodes) {
                Err(why) if why.0 == WireFault::RevocationLength && shorten_longest(nodes) => {}
                other => break other.map_err(|why| CaError::Revocations(why.to_string()))?,
            }
        };
        let key = self.key()?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.serialized_der()).map_err(|_| CaError::Content {
            path: self.home().join("ca/ca.key"),
            what: "an Ed25519 key",
            way: way_out::CA_KEY,
        })?;
        let mut signature = Signature::ZERO;
        for (slot, byte) in signature.0.iter_mut().zip(pair.sign(&signed_bytes(&self.network(), &part)).as_ref()) {
            *slot = *byte;
        }
        ListPart::sealed(part, &signature).map_err(|why| CaError::Revocations(why.to_string()))
    }

    pub(crate) fn retired_path(&self) -> PathBuf {
        self.home().join("retired")
    }

    fn retire(&self, nodes: &[NodeId]) -> Result<(), CaError> {
        if nodes.is_empty() {
            return Ok(());
        }
        let mut all = self.retired()?;
        all.extend(nodes);
        let text: String = all.iter().map(|node| format!("{node}\n")).collect();
        Ok(files::write_private(&self.retired_path(), text.as_bytes())?)
    }

    /// Who was revoked once and stands on the list no more: its key gets no certificate again.
    pub(crate) fn retired(&self) -> Result<BTreeSet<NodeId>, CaError> {
        let path = self.retired_path();
        match files::read_at_most(&path, MAX_FILE_LEN) {
            Ok(bytes) => {
                let bad = || CaError::Content { path: path.clone(), what: "a list of node ids", way: way_out::RETIRED };
                let text = String::from_utf8_lossy(&bytes);
                let all =
                    text.lines().map(|line| line.parse().map_err(|_| bad())).collect::<Result<BTreeSet<_>, _>>()?;
                // It is made when there is somebody to name.
                if all.is_empty() { Err(bad()) } else { Ok(all) }
            }
            Err(why) if why.is_missing() => Ok(BTreeSet::new()),
            Err(why) => Err(why.into()),
        }
    }

    /// Remembers until when a certificate of this key is valid, for the day when it is revoked. If it `had_one` whose end is not
    /// known any more, none is: an entry then stays on the list for good.
    pub(crate) fn note_end(&self, place: &Path, node: &NodeId, until: u64, had_one: bool) -> Result<(), CaError> {
        let path = place.join("until");
        let mut ends = ends(&path);
        let end = ends.entry(*node).or_insert(if had_one { u64::MAX } else { 0 });
        *end = until.max(*end);
        let mut text = String::new();
        for (node, end) in ends {
            let _ = writeln!(text, "{node} {end}");
        }
        Ok(files::write_private(&path, text.as_bytes())?)
    }

    /// The names for which certificates of each key were issued here, earlier keys of a name too.
    #[must_use]
    pub fn names(&self) -> BTreeMap<NodeId, BTreeSet<String>> {
        let mut names: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for place in fs::read_dir(self.home().join("nodes")).into_iter().flatten().flatten() {
            let Some(name) = place.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned) else {
                continue;
            };
            for node in ends(&place.path().join("until")).into_keys() {
                names.entry(node).or_default().insert(name.clone());
            }
        }
        names
    }

    /// Until when the last certificate of this key is valid, if one was issued here.
    fn last_end(&self, node: &NodeId) -> Option<u64> {
        let places = fs::read_dir(self.home().join("nodes")).ok()?;
        places.flatten().filter_map(|place| ends(&place.path().join("until")).get(node).copied()).max()
    }
}

/// Node and second, a line each. A file that cannot be read says nothing, and an entry whose end is not known stays on the list.
pub(crate) fn ends(path: &Path) -> BTreeMap<NodeId, u64> {
    let text = files::read_trusted_text(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (node, end) = line.split_once(' ')?;
            Some((node.parse().ok()?, end.parse().ok()?))
        })
        .collect()
}

/// The cut that leaves what both leave: a later revocation never widens one (P-R3).
fn tighter(held: Option<Cut>, new: Option<Cut>) -> Option<Cut> {
    let (Some(held), Some(new)) = (&held, &new) else { return held.or(new) };
    Some(held.iter().filter_map(|(i, seq)| Some((*i, *seq.min(new.get(i)?)))).collect())
}

/// The lowest incarnations stay: what was there first.
fn shorten(cut: &mut Cut, most: usize) {
    if let Some(from) = cut.keys().nth(most).copied() {
        cut.split_off(&from);
    }
}

/// Halves the longest cut. Says whether there was one to shorten.
fn shorten_longest(nodes: &mut BTreeMap<NodeId, Revoked>) -> bool {
    let longest = nodes.values_mut().filter_map(|revoked| revoked.cut.as_mut()).max_by_key(|cut| cut.len());
    let Some(cut) = longest.filter(|cut| cut.len() > 1) else { return false };
    shorten(cut, cut.len() / 2);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_thousand_fit_into_one_part_of_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::init(dir.path()).unwrap();
        let node = |n: u16| {
            let mut node = [9; 32];
            node[30..].copy_from_slice(&n.to_be_bytes());
            NodeId(node)
        };
        let cut = Cut::from([(Incarnation(1_700_000_000), Seq(400))]);
        let revoked = Revoked { not_after: 1_800_000_000, cut: Some(cut.clone()) };
        let mut nodes: BTreeMap<_, _> = (0..1_060).map(|n| (node(n), revoked.clone())).collect();
        let part = ca.sign(9, 7, 1, &mut nodes).unwrap();
        let list = [Arc::new(part)].into_iter().fold(Revocations::default(), |mut list, part| {
            list.take(part);
            list
        });
        fs::write(LocalCa::revocations_path(ca.home()), file(&list)).unwrap();
        let done = ca.revoke(node(2_000), Some(cut)).unwrap();
        assert_eq!((done.list.len(), done.list.number(), done.left_out), (1_061, 8, 0));
        assert_eq!(ca.revocations().unwrap(), done.list);
    }
}
