//! Settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::spec::{Spec, SpecError};

/// How the door is named in settings, and in the log.
pub const KIND: &str = "push-pull";
/// Where clients look for it: it stands in their source.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 60_085);
/// Between two writes of one PULL. A client that is kept from its processor for longer takes two items as one. With two
/// processors and four busy threads, of 1,000 reads 14 were wrong at 2 ms, 4 at 5 ms and none from 10 ms on
/// (`how_small_a_gap_is_safe` in `tests/push_pull_torture.rs` measures it); this is five times that.
const DEFAULT_GAP: Duration = Duration::from_millis(50);
/// After so long without a byte a request has ended: nothing else ends one, and the clients write theirs in one piece.
const DEFAULT_IDLE: Duration = Duration::from_millis(300);

/// A client that neither ends nor asks again for so long after all was written is taken not to have read it: its letters come
/// back. One that is stopped by its terminal for some minutes may go on reading.
const DEFAULT_UNREAD: Duration = Duration::from_secs(600);

/// Settings of which each is in its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Where clients connect; those in use know one address alone ([`DEFAULT_LISTEN`]).
    pub listen: SocketAddr,
    /// Between two writes of one PULL, 1 ms to 5 s.
    pub gap: Duration,
    /// After so long without a byte a request has ended, 20 ms to 5 s.
    pub idle: Duration,
    /// After so long what was given to a client that stays comes back, 1 s to 1 h.
    pub unread: Duration,
}

impl Config {
    /// Checks what was asked for: `push-pull,listen=127.0.0.1:60085,gap=50ms,idle=300ms,unread=10m`, which is also the default.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen", "gap", "idle", "unread"], &[])?;
        Ok(Self {
            listen: spec.listen(Some(DEFAULT_LISTEN))?,
            gap: spec.time("gap", DEFAULT_GAP, Duration::from_millis(1)..=Duration::from_secs(5))?,
            idle: spec.time("idle", DEFAULT_IDLE, Duration::from_millis(20)..=Duration::from_secs(5))?,
            unread: spec.time("unread", DEFAULT_UNREAD, Duration::from_secs(1)..=Duration::from_secs(3_600))?,
        })
    }
}
