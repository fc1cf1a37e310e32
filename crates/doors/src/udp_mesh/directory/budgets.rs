//! What goes to those who may not have asked for it, in bytes.

use rumormill_limits::Rate;

use crate::shares::Share;

/// Directories to old peers, which have no way to show that they receive. All 95 together, each with its rate, have less than a
/// network; the whole directory of 95 is 384 bytes.
pub(super) const UNSHOWN: Share =
    Share { each: Rate::new(4_096, 512), network: Rate::new(196_608, 49_152), all: Rate::new(262_144, 65_536) };
/// Texts to them: a hundred bytes eighty times a second, which is all that they can take, is 8 kB/s for each.
pub(super) const TEXTS: Share = Share {
    each: Rate::new(256 << 10, 32 << 10),
    network: Rate::new(8 << 20, 1 << 20),
    all: Rate::new(8 << 20, 1 << 20),
};
/// What is sent again to members that receive: whoever sends in their name must not make us send without end. The largest
/// directory is 2 MB.
pub(super) const AGAIN: Share = Share {
    each: Rate::new(2 << 20, 256 << 10),
    network: Rate::new(4 << 20, 1 << 20),
    all: Rate::new(16 << 20, 4 << 20),
};
