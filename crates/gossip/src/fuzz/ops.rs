//! The form of an input: one byte of switches, then operations of one byte kind and nine bytes arguments.

/// Arguments of an operation.
pub const ARGS: usize = 9;

/// What the whole run is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Switches(pub u8);

impl Switches {
    /// New messages go to one random neighbour.
    pub const MONGERS: u8 = 1;
    /// Shells do their work at once instead of when an operation says so.
    pub const PROMPT: u8 = 2;
    /// Each author has a small allowance a day.
    pub const GREED: u8 = 4;
    /// Few cursors.
    pub const CURSORS: u8 = 8;
    /// Few origins.
    pub const ORIGINS: u8 = 16;
    /// The run is made twice and its outputs are compared.
    pub const TWICE: u8 = 32;
    /// Links take little at a time.
    pub const WINDOW: u8 = 64;
    /// Little may be accepted and not yet committed.
    pub const BACKLOG: u8 = 128;

    pub(super) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(super) const fn twice(self) -> bool {
        self.has(Self::TWICE)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The kinds of operations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name),* }
        /// All kinds, in the order of their bytes.
        pub const KINDS: &[Kind] = &[$(Kind::$name),*];
    };
}

kinds! {
    /// The honest two are linked.
    Link,
    /// Their link breaks.
    Unlink,
    /// `end, count`: so many frames of the honest link arrive.
    Deliver,
    /// `slot, who`: the liar opens a link.
    Up,
    /// `slot`: the liar closes it.
    Down,
    /// `slot`: the liar reads what was sent to it.
    Read,
    /// `slot, origin, shape, by, clock, length, flags`: the liar signs a bundle and sends it.
    Sign,
    /// `slot, origin, which, flags, at, with`: it sends one that was signed before, changed if `with` is not 0.
    Resend,
    /// `slot, how, origin, spec, origin, spec, origin, spec, number`: STATUS.
    Status,
    /// `slot, how, which`: BUCKETS.
    Buckets,
    /// `slot, origin, from, length`: RANGE.
    Range,
    /// `slot, who, how`: MEMBER.
    Member,
    /// `slot, origin, how, one, other`: PROOF.
    Proof,
    /// `step, who, cut, who, cut`: the CA makes parts of a revocation list.
    Issue,
    /// `slot or end, which, how`: a part comes in a frame, or from a file.
    Revoked,
    /// `slot, length`: a frame of the bytes that follow.
    Raw,
    /// `end, length, room`: an honest node says something.
    Submit,
    /// `end, which, count`: a shell does some of what it was asked.
    Work,
    /// `end, count`: a store commits.
    Commit,
    /// `how long`: time passes.
    Wait,
    /// `end, how`: a wall clock steps.
    Wall,
    /// `end`: a store takes no more.
    Full,
    /// `end, how`: a node dies and starts again.
    Restart,
    /// `slot, how many, numbers`: REVISIONS.
    Revisions,
    /// `end, part, slot`: of a link, the liar's or that of the honest two, so much of what goes at most may be on its way.
    Window,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// What.
    pub kind: Kind,
    /// With what.
    pub args: [u8; ARGS],
}

impl Op {
    /// An operation; what is not said is 0.
    #[must_use]
    pub fn new(kind: Kind, some: &[u8]) -> Self {
        let mut args = [0; ARGS];
        for (slot, arg) in args.iter_mut().zip(some) {
            *slot = *arg;
        }
        Self { kind, args }
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or(0);
        out.push(u8::try_from(kind).unwrap_or(0));
        out.extend_from_slice(&self.args);
    }
}

/// Operations yet to be read.
#[derive(Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// The next one. Bytes that are missing at the end are 0.
    pub fn next_op(&mut self) -> Option<Op> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let kind = usize::from(*kind).checked_rem(KINDS.len()).and_then(|at| KINDS.get(at))?;
        Some(Op::new(*kind, self.take(ARGS)))
    }

    /// So many bytes, or what is left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(len.min(self.0.len()));
        self.0 = later;
        now
    }
}
