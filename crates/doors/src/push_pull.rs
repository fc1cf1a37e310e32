//! PUSH and PULL.
