//! The plain frames between older nodes on TCP port 43110.
