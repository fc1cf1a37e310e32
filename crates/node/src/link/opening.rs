//! A link on its way up.

use std::sync::Arc;

use rumormill_peering::{LinkId, Refusal};
use tokio::sync::watch;

use super::state::Link;

/// What was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing was decided yet: no HELLO is sent.
    Waits,
    /// It may exchange HELLOs with its peer.
    Greets,
    Up,
    Refused(Refusal),
    /// It makes room for another one: it ends without a word.
    Dropped,
}

/// What the driver knows of it. It is there until the link is up, or its task has ended.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) id: LinkId,
    pub(crate) fate: watch::Sender<Fate>,
    /// Once its HELLO is there.
    pub(crate) link: Option<Arc<Link>>,
}
