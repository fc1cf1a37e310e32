//! The menu chat.
