//! What an engine asks of its shell and waits for.

use std::sync::Arc;

use rumormill_wire::native::ListPart;

use crate::io::LinkId;
use crate::shell::{Check, Read};

/// One thing to do.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Check a signature or a certificate.
    Check(Check),
    /// Read from the store.
    Read(Read),
    /// Make durable a part of the revocation list.
    KeepList { part: Arc<ListPart> },
    /// Report a link that was closed.
    Down { link: LinkId },
}
