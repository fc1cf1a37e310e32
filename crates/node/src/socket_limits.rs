//! How many clients the local socket has at once, and where it can be.

/// Clients that follow the log at once.
pub const MAX_FOLLOWERS: usize = 32;
/// Clients at once that ask for something short, whatever those do that follow.
pub const MAX_ASKING: usize = 32;
/// Clients at once, whatever they ask for.
pub const MAX_CLIENTS: usize = MAX_FOLLOWERS + MAX_ASKING;
/// Bytes of a Unix socket's path, with the zero that ends it.
pub const MAX_PATH: usize = 108;
