//! Names of members, for people. Bounded by the members that the CA has issued. Of two certificates of one node the same one
//! names it that counts in the engine, whichever came first.

use std::collections::HashMap;
use std::sync::RwLock;

use rumormill_gossip::Evidence;
use rumormill_wire::NodeId;

/// Names kept; beyond this a member is shown by its id.
const MAX_NAMES: usize = 100_000;

/// Node id to name, and the certificate that says so.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<NodeId, (String, Evidence)>>);

impl Names {
    pub(crate) fn learn(&self, node: NodeId, name: &str, by: &Evidence) {
        let stands =
            |names: &HashMap<NodeId, (String, Evidence)>| names.get(&node).is_some_and(|(_, old)| !by.beats(old));
        if stands(&self.0.read().unwrap_or_else(|e| e.into_inner())) {
            return;
        }
        let mut names = self.0.write().unwrap_or_else(|e| e.into_inner());
        if !stands(&names) && (names.len() < MAX_NAMES || names.contains_key(&node)) {
            names.insert(node, (name.to_owned(), by.clone()));
        }
    }

    pub(crate) fn of(&self, node: &NodeId) -> Option<String> {
        self.0.read().unwrap_or_else(|e| e.into_inner()).get(node).map(|(name, _)| name.clone())
    }

    /// Who is named so. A name is given to one node at a time, but a node may have had another id before.
    pub(crate) fn with_name(&self, name: &str) -> Vec<NodeId> {
        let names = self.0.read().unwrap_or_else(|e| e.into_inner());
        names.iter().filter(|(_, (known, _))| known == name).map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn of_two_certificates_of_one_node_the_later_one_names_it_whichever_comes_first() {
        let node = NodeId([1; 32]);
        let [old, new] =
            [(b"old", 1), (b"new", 2)].map(|(bytes, since)| Evidence { bytes: Bytes::from_static(bytes), since });
        for order in [[("mallory", &old), ("zed", &new)], [("zed", &new), ("mallory", &old)]] {
            let names = Names::default();
            names.learn(node, "unproved", &Evidence::default());
            order.into_iter().for_each(|(name, by)| names.learn(node, name, by));
            assert_eq!(names.of(&node).as_deref(), Some("zed"));
            assert_eq!((names.with_name("zed"), names.with_name("mallory")), (vec![node], vec![]));
        }
    }
}
