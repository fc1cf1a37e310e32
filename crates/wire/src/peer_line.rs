//! The menu chat: lines of text between peers.
