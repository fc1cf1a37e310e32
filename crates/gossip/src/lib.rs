//! Rumormill: the gossip room.
