//! Under which incarnation the node writes: the one of before goes on, or a new one begins.

use std::path::Path;

use rumormill_store::{Damage, Durability, Recovered as Stored};
use rumormill_wire::{Incarnation, Origin};

use super::opened::Opened;
use crate::config::NodeConfig;
use crate::driver::INCARNATION_KEY;
use crate::incarnation::Incarnations;
use crate::keeper::{self, Mark};
use crate::start_error::StartError;

/// The incarnation that the node writes under from now on, and where it came from.
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    pub(super) incarnations: Option<Incarnations>,
    /// The one of before goes on.
    pub(super) goes_on: bool,
    /// It is certain to be new.
    pub(super) fresh: bool,
}

impl Life {
    pub(super) fn begin(
        config: &NodeConfig,
        home: Option<&Path>,
        node: Origin,
        opened: &Opened,
    ) -> Result<Self, StartError> {
        let Opened { stored, mark, is_old, .. } = opened;
        let mut incarnations = incarnations(config, home, *mark)?;
        // In the home of a CA the file goes with the key: without it the key was never used. A state directory can be lost alone.
        let remembers = incarnations.as_ref().is_some_and(|file| home.is_some() || file.is_marked());
        let kept = incarnation(stored, node, config.durability).filter(|_| !is_old && !config.restored);
        let incarnation = match (kept, &mut incarnations) {
            (Some(kept), _) => kept,
            (None, Some(file)) => fresh(stored, node, file)?,
            (None, None) => Incarnation(config.wall.now_s()),
        };
        let goes_on = kept.is_some();
        Ok(Self { incarnation, incarnations, goes_on, fresh: !goes_on && remembers })
    }
}

/// Where incarnations are kept: in the home of a CA of ours, else in the state directory.
fn incarnations(
    config: &NodeConfig,
    home: Option<&Path>,
    mark: Option<Result<Mark, ()>>,
) -> Result<Option<Incarnations>, StartError> {
    let Some(dir) = home.or(config.state.as_deref()).map(|dir| dir.join("incarnations")) else { return Ok(None) };
    let opened = Incarnations::open(&dir, &config.name, config.wall.clone());
    let mut opened = opened.map_err(StartError::io("keep the incarnation in", dir.display()))?;
    if let Some(named) = keeper::named(mark) {
        opened.note(named);
    }
    Ok(Some(opened))
}

/// The highest incarnation of ours that the store knows.
fn highest(stored: &Stored, node: Origin) -> Option<Incarnation> {
    let own = stored.chains.iter().filter(|chain| chain.origin.node == node.node).map(|chain| chain.origin.incarnation);
    let named = stored.meta(INCARNATION_KEY).and_then(|value| value.as_ref().try_into().ok());
    own.chain(named.map(|bytes| Incarnation(u64::from_be_bytes(bytes)))).max()
}

/// The incarnation to go on under, or `None` for a new one: the store is new, it was damaged, or a power failure may
/// have taken what others have seen already (ARCHITECTURE.md, "Decisions that shape the rest").
fn incarnation(stored: &Stored, node: Origin, durability: Durability) -> Option<Incarnation> {
    let lost_power = durability == Durability::Normal && !stored.clean && stored.boot_changed;
    let cut = stored.damage.iter().any(|damage| match damage {
        // Of what was in the damaged part of a file nothing is known, so it may have been ours.
        Damage::File { .. } => true,
        Damage::Chain { origin, .. } => origin.node == node.node,
    });
    if lost_power || cut { None } else { highest(stored, node) }
}

fn fresh(stored: &Stored, node: Origin, file: &mut Incarnations) -> Result<Incarnation, StartError> {
    if let Some(highest) = highest(stored, node) {
        file.note(highest);
    }
    file.fresh().map_err(StartError::io("keep", "the incarnation"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rumormill_wire::{NodeId, Seq};

    use super::*;

    fn stored(clean: bool, boot_changed: bool, damage: Vec<Damage>) -> Stored {
        let value = Bytes::copy_from_slice(&77_u64.to_be_bytes());
        Stored { clean, boot_changed, damage, meta: vec![(INCARNATION_KEY.to_owned(), value)], ..Stored::default() }
    }

    const ME: Origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(0) };

    #[test]
    fn a_store_in_good_order_goes_on_under_its_incarnation() {
        for (clean, boot) in [(true, false), (true, true), (false, false)] {
            let kept = incarnation(&stored(clean, boot, Vec::new()), ME, Durability::Normal);
            assert_eq!(kept, Some(Incarnation(77)), "clean {clean}, boot changed {boot}");
        }
        let full = incarnation(&stored(false, true, Vec::new()), ME, Durability::Full);
        assert_eq!(full, Some(Incarnation(77)), "with durability full a commit outlives the power");
    }

    #[test]
    fn lost_power_and_damage_begin_a_new_one() {
        assert_eq!(incarnation(&stored(false, true, Vec::new()), ME, Durability::Normal), None);
        let cut = |node| vec![Damage::Chain { origin: Origin { node, ..ME }, kept: Seq(3) }];
        assert_eq!(incarnation(&stored(true, false, cut(ME.node)), ME, Durability::Full), None);
        let other = incarnation(&stored(true, false, cut(NodeId([2; 32]))), ME, Durability::Full);
        assert_eq!(other, Some(Incarnation(77)), "another's chain is fetched again and harms not ours");
        let file = Damage::File { path: "a".into(), reason: "b".into(), quarantine: "c".into() };
        assert_eq!(incarnation(&stored(true, false, vec![file]), ME, Durability::Full), None);
        assert_eq!(incarnation(&Stored::default(), ME, Durability::Full), None, "a new store");
    }

    #[test]
    fn a_new_incarnation_is_above_all_that_the_store_knows() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = Incarnations::open(dir.path(), "a", crate::clock::Wall::default()).unwrap();
        let far = crate::clock::wall_s() + 1_000;
        let value = Bytes::copy_from_slice(&far.to_be_bytes());
        let stored = Stored { meta: vec![(INCARNATION_KEY.to_owned(), value)], ..Stored::default() };
        assert_eq!(fresh(&stored, ME, &mut file).unwrap(), Incarnation(far + 1));
    }
}
