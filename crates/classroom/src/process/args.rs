//! What `process` is told, and the settings of its node that follow from it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use rumormill_node::config::{Durability, IdentitySource, Neighbour, NodeConfig, StoreKind};

/// The first port of neighbours' links, if no other root is named.
pub const DEFAULT_ROOT: u16 = 20_000;
/// Roots that are allowed.
pub const ROOTS: std::ops::RangeInclusive<u16> = 20_000..=29_999;

/// What `process` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessArgs {
    /// Which process it is, from 0.
    pub id: u16,
    /// How many there are.
    pub n: u16,
    /// The port on which it takes the commands of a proxy.
    pub port: u16,
    /// Its port for neighbours is this plus its id.
    pub root: u16,
}

impl ProcessArgs {
    /// Checks what was given.
    ///
    /// # Errors
    /// Names the argument, its value and what is allowed.
    pub fn check(self) -> Result<Self, String> {
        let Self { id, n, root, .. } = self;
        if n == 0 {
            return Err("n: 0 is not allowed; give how many processes there are".to_owned());
        }
        if id >= n {
            return Err(format!("id: {id} is not allowed with n {n}; give 0 to {}", n.saturating_sub(1)));
        }
        if !ROOTS.contains(&root) {
            return Err(format!("root: {root} is not allowed; give {} to {}", ROOTS.start(), ROOTS.end()));
        }
        if root.checked_add(n).is_none() {
            return Err(format!("n: {n} is not allowed; ports end at 65535"));
        }
        Ok(self)
    }

    /// Where a process of the session listens for its neighbours.
    pub(super) fn addr(self, id: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.root.saturating_add(id)))
    }

    /// The settings of its node.
    pub(super) fn config(self, home: PathBuf, session_store: Option<PathBuf>) -> NodeConfig {
        let mut config = NodeConfig::new(&name(self.id));
        config.listen = self.addr(self.id);
        let beside = [self.id.checked_sub(1), self.id.checked_add(1).filter(|id| *id < self.n)];
        config.neighbours =
            beside.into_iter().flatten().map(|id| Neighbour { name: Some(name(id)), addr: self.addr(id) }).collect();
        config.identity = IdentitySource::LocalCa { home: Some(home) };
        if let Some(dir) = session_store {
            config.store = StoreKind::Sqlite;
            config.durability = Durability::Normal;
            config.state = Some(dir.join(self.id.to_string()));
        }
        config
    }
}

/// The name of a process in its session's network.
fn name(id: u16) -> String {
    format!("p{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: ProcessArgs = ProcessArgs { id: 1, n: 3, port: 1, root: DEFAULT_ROOT };

    #[test]
    fn neighbours_are_the_ids_beside() {
        let names = |id, n| -> Vec<_> {
            let config = ProcessArgs { id, n, ..ARGS }.config("home".into(), None);
            config.neighbours.iter().map(|n| (n.name.clone().unwrap(), n.addr.port())).collect()
        };
        assert_eq!(names(0, 1), []);
        assert_eq!(names(0, 3), [("p1".into(), 20_001)]);
        assert_eq!(names(1, 3), [("p0".into(), 20_000), ("p2".into(), 20_002)]);
        assert_eq!(names(2, 3), [("p1".into(), 20_001)]);
    }

    #[test]
    fn a_session_store_is_on_disk_and_else_all_is_in_memory() {
        assert_eq!(ARGS.config("home".into(), None).store, StoreKind::Memory);
        let config = ARGS.config("home".into(), Some("/tmp/s".into()));
        assert_eq!((config.store, config.durability), (StoreKind::Sqlite, Durability::Normal));
        assert_eq!(config.state, Some("/tmp/s/1".into()));
    }

    #[test]
    fn arguments_out_of_range_are_named() {
        assert!(ProcessArgs { n: 0, ..ARGS }.check().unwrap_err().starts_with("n: 0"));
        assert!(ProcessArgs { id: 3, ..ARGS }.check().unwrap_err().contains("id: 3"));
        assert!(ProcessArgs { root: 30_000, ..ARGS }.check().unwrap_err().contains("20000 to 29999"));
        assert!(ProcessArgs { n: u16::MAX, ..ARGS }.check().unwrap_err().contains("n: 65535"));
        assert_eq!(ARGS.check(), Ok(ARGS));
    }
}
