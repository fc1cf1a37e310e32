//! Whether a member of the extended form has shown that it receives (P-U10).
//!
//! The address of a BIRTH may be forged. So the first answer is one page: a whole directory that lists the receiver alone, shorter
//! than its BIRTH, of a version that nobody can guess. Whoever names it in a KEEPALIVE has received it, and gets all the rest.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use rumormill_wire::udp_mesh::extended::MAX_NAME_LEN;

/// Bytes that may go to whoever has shown nothing, for each that it sent (RFC 9000, 8.1).
const FACTOR: usize = 3;
/// Bytes of a KEEPALIVE of the extended form.
const KEEPALIVE_LEN: usize = 10;
/// Bytes of a BIRTH beside its name, at least.
const BIRTH_LEN: usize = 114;
/// No more is saved up: three of the longest BIRTHs.
const MAX_CREDIT: usize = FACTOR * (BIRTH_LEN + MAX_NAME_LEN);

/// Whether a member has shown that it receives, and how much may be sent to it before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Receipt {
    /// The version of its page; 0 if it has none.
    page: u64,
    shown: bool,
    /// Bytes that may go to it until it has shown that it receives.
    credit: usize,
}

impl Receipt {
    /// Of one that is known from the last run: only who had shown it was kept.
    pub(super) const fn of_last_run() -> Self {
        Self { page: 0, shown: true, credit: 0 }
    }

    pub(super) const fn is_shown(self) -> bool {
        self.shown
    }

    /// A BIRTH came under a name. It is longer than the page that answers it.
    pub(super) fn birth(&mut self, name: &str) {
        self.earn(BIRTH_LEN.saturating_add(name.len()));
    }

    fn earn(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_add(FACTOR.saturating_mul(bytes)).min(MAX_CREDIT);
    }

    /// A KEEPALIVE came that names a version; true if that shows for the first time that the page was received.
    pub(super) fn keepalive(&mut self, version: u64) -> bool {
        self.earn(KEEPALIVE_LEN);
        let first = !self.shown && self.names_page(version);
        self.shown |= first;
        first
    }

    /// Whether a version is that of the page, which says nothing of what the receiver has.
    pub(super) const fn names_page(self, version: u64) -> bool {
        self.page != 0 && self.page == version
    }

    /// The version of its page.
    pub(super) const fn page(self) -> u64 {
        self.page
    }

    /// Pays for a page; false if there is too little for it.
    pub(super) fn pay(&mut self, bytes: usize) -> bool {
        let left = self.credit.checked_sub(bytes);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

/// Makes versions of pages that only their receivers know.
#[derive(Debug)]
pub(super) struct Pages(Key);

impl Pages {
    /// The seed is to be a secret, and another in each run.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(Key::new(HMAC_SHA256, seed))
    }

    /// For a member that was given this number.
    pub(super) fn receipt(&self, id: u64) -> Receipt {
        let tag = sign(&self.0, &id.to_le_bytes());
        let page = tag.as_ref().iter().take(8).fold(0, |page, byte| page << 8 | u64::from(*byte));
        Receipt { page: page.max(1), shown: false, credit: 0 }
    }
}
