//! Names of members, for people. Bounded by the members that the CA has issued.

use std::collections::HashMap;
use std::sync::RwLock;

use rumormill_wire::NodeId;

/// Names kept; beyond this a member is shown by its id.
const MAX_NAMES: usize = 100_000;

/// Node id to name.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<NodeId, String>>);

impl Names {
    pub(crate) fn learn(&self, node: NodeId, name: &str) {
        let known = |names: &HashMap<NodeId, String>| names.get(&node).is_some_and(|old| old == name);
        if known(&self.0.read().unwrap_or_else(|e| e.into_inner())) {
            return;
        }
        let mut names = self.0.write().unwrap_or_else(|e| e.into_inner());
        if names.len() < MAX_NAMES || names.contains_key(&node) {
            names.insert(node, name.to_owned());
        }
    }

    pub(crate) fn of(&self, node: &NodeId) -> Option<String> {
        self.0.read().unwrap_or_else(|e| e.into_inner()).get(node).cloned()
    }

    /// Who is named so. A name is given to one node at a time, but a node may have had another id before.
    pub(crate) fn with_name(&self, name: &str) -> Vec<NodeId> {
        let names = self.0.read().unwrap_or_else(|e| e.into_inner());
        names.iter().filter(|(_, known)| *known == name).map(|(node, _)| *node).collect()
    }
}
