//! Seeds, made by the encoder of operations, each with what it has to reach. `fuzz/seeds/engine` holds them as files; a test
//! sees that they are up to date and that they get where they say.

use super::ops::{Kind, Op, Switches};

/// One seed.
#[derive(Debug)]
pub struct Seed {
    /// The name of its file.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it reaches.
    pub reaches: &'static [&'static str],
}

// Whose origin, in its first incarnation; the next one is 8 higher.
const LIAR: u8 = 0;
const HONEST: u8 = 3;
const OUTSIDER: u8 = 4;
const A: u8 = 5;
const B: u8 = 6;
const NOBODY: u8 = 7;

// Shapes of a bundle.
const GAP: u8 = 2;
const OVERLAP: u8 = 3;
const FAR: u8 = 4;
const FIRST: u8 = 5;
const OTHER_PREVIOUS: u8 = 6;
const BRANCH: u8 = 8;
const TWO: u8 = 16;

// How a STATUS is made.
const WANT: u8 = 1;
const ALL: u8 = 2;
const OWN: u8 = 4;
const UP_TO_LAST: u8 = 6;
const HEARD: u8 = 8;
const HEARD_MORE: u8 = 16;
const TRUE_SUM: u8 = 32;
const ONE: u8 = 64;
const THREE: u8 = 192;
const FORKED: u8 = 32;
const HOLD: u8 = 64;

struct Script(Vec<u8>);

impl Script {
    fn new(switches: u8) -> Self {
        Self(vec![switches])
    }

    fn op(mut self, kind: Kind, args: &[u8]) -> Self {
        Op::new(kind, args).encode(&mut self.0);
        self
    }

    fn raw(self, slot: u8, bytes: &[u8]) -> Self {
        let mut done = self.op(Kind::Raw, &[slot, u8::try_from(bytes.len()).unwrap_or(u8::MAX)]);
        done.0.extend_from_slice(bytes);
        done
    }

    /// The liar at both ends, under its first name.
    fn liar(self) -> Self {
        self.op(Kind::Up, &[0, 0]).op(Kind::Up, &[1, 0])
    }

    /// Frames of the honest link, both ways, and what is said to them a little later.
    fn deliver(self) -> Self {
        let both = |script: Self| script.op(Kind::Deliver, &[0, 32]).op(Kind::Deliver, &[1, 32]);
        both(both(self).op(Kind::Wait, &[5]))
    }

    /// A chain of the liar's first key, so many bundles long, at one end.
    fn chain(self, slot: u8, length: u8) -> Self {
        (0..length).fold(self, |script, _| script.op(Kind::Sign, &[slot, LIAR]))
    }

    fn seed(self, name: &'static str, reaches: &'static [&'static str]) -> Seed {
        Seed { name, bytes: self.0, reaches }
    }
}

fn prompt() -> Script {
    Script::new(Switches::PROMPT)
}

/// All seeds.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    [honest(), forks(), comparisons(), faults()].into_iter().flatten().collect()
}

fn honest() -> Vec<Seed> {
    let talk = |switches| {
        let said = [(0, 5), (1, 9), (0, 200), (0, 0), (1, 255)];
        said.iter().fold(Script::new(switches), |script, (end, length)| {
            script.op(Kind::Submit, &[*end, *length]).deliver().op(Kind::Wait, &[40]).deliver()
        })
    };
    let slowly = Script::new(0)
        .op(Kind::Submit, &[0, 3])
        .op(Kind::Wait, &[40])
        .op(Kind::Submit, &[0, 4])
        .op(Kind::Work, &[0, 1, 9])
        .op(Kind::Commit, &[0, 1])
        .deliver()
        .op(Kind::Work, &[1, 0, 1])
        .op(Kind::Work, &[1, 1, 9]);
    let carried = (0..6).fold(prompt().liar().op(Kind::Member, &[0, HONEST]), |script, n| {
        script.op(Kind::Sign, &[0, HONEST, TWO, 0, n, 100, 1]).deliver()
    });
    let restart = (0..6).fold(prompt(), |script, n| {
        script.op(Kind::Submit, &[0, 5]).deliver().op(Kind::Restart, &[0, 2 * (n & 1)]).op(Kind::Link, &[]).deliver()
    });
    let old_copy = prompt()
        .op(Kind::Submit, &[0, 5])
        .op(Kind::Restart, &[0, 0])
        .op(Kind::Link, &[])
        .op(Kind::Submit, &[0, 6])
        .op(Kind::Submit, &[0, 7])
        .deliver()
        .deliver()
        .op(Kind::Restart, &[0, 1])
        .op(Kind::Wait, &[40])
        .op(Kind::Submit, &[0, 8])
        .op(Kind::Link, &[])
        .deliver();
    let clock_back = prompt()
        .op(Kind::Wall, &[0, 5])
        .op(Kind::Submit, &[0, 5])
        .op(Kind::Wall, &[0, 0])
        .op(Kind::Restart, &[0, 0])
        .op(Kind::Link, &[])
        .op(Kind::Wait, &[40])
        .op(Kind::Submit, &[0, 5]);
    // No slot is the ninth: the honest link is meant. Both ends take little, and then all again.
    let narrow = (0..8_u8).fold(prompt().op(Kind::Window, &[0, 0, 9]).op(Kind::Window, &[1, 0, 9]), |script, n| {
        let script = script.op(Kind::Submit, &[n & 1, 250]).op(Kind::Wait, &[40]).deliver();
        if n == 5 { script.op(Kind::Window, &[0, 255, 9]).op(Kind::Window, &[1, 255, 9]) } else { script }
    });
    vec![
        narrow.seed("talk_narrow", &["window", "agreed"]),
        talk(Switches::PROMPT).seed("talk", &["agreed"]),
        talk(Switches::PROMPT | Switches::TWICE | Switches::WINDOW).seed("talk_twice", &["agreed"]),
        talk(Switches::PROMPT | Switches::MONGERS).seed("talk_mongering", &["agreed"]),
        slowly.seed("talk_slowly", &["agreed"]),
        carried.seed("carried", &["a true MEMBER", "agreed"]),
        restart.seed("restart", &["restart", "agreed"]),
        old_copy.seed("old_copy", &["an old copy put back", "new incarnation", "agreed"]),
        clock_back.seed("clock_back", &["new incarnation", "agreed"]),
    ]
}

fn forks() -> Vec<Seed> {
    // Three bundles in common, then one branch at each end while the two are apart.
    let apart = |common: u8, switches| {
        let script = Script::new(switches).op(Kind::Unlink, &[]).liar().chain(0, common);
        let script = (0..common).fold(script, |script, n| script.op(Kind::Resend, &[1, 0, n]));
        let script = script.chain(0, 4);
        (0..2).fold(script, |script, _| script.op(Kind::Sign, &[1, LIAR, BRANCH, common]))
    };
    let meet = |script: Script| script.op(Kind::Link, &[]).deliver().op(Kind::Wait, &[40]).deliver();
    let proofs = prompt()
        .liar()
        .chain(0, 3)
        .op(Kind::Proof, &[0, LIAR, 3, 9, 1])
        .op(Kind::Proof, &[0, LIAR, 3, 1, 1])
        .op(Kind::Proof, &[0, LIAR, 3, 0, 1])
        .op(Kind::Proof, &[0, LIAR + 8, 3, 60, 0])
        .op(Kind::Proof, &[0, LIAR + 8, 3, 40, 0])
        .op(Kind::Proof, &[0, LIAR + 8, 3, 20, 0])
        .deliver();
    let early = Script::new(0)
        .liar()
        .op(Kind::Member, &[0, LIAR + 2])
        .op(Kind::Sign, &[0, LIAR + 2])
        .op(Kind::Proof, &[0, LIAR + 2, 3, 1, 1])
        .op(Kind::Work, &[0, 0, 9]);
    let invalid = prompt().liar().chain(0, 2).op(Kind::Proof, &[0, LIAR, 2, 0, 1]).chain(1, 2);
    let compatible = prompt().liar().chain(0, 2).op(Kind::Proof, &[0, LIAR, 0, 0, 0]);
    let of_others = prompt()
        .liar()
        .op(Kind::Submit, &[0, 5])
        .op(Kind::Member, &[1, HONEST])
        .op(Kind::Sign, &[1, HONEST])
        .deliver()
        .op(Kind::Proof, &[0, A, 3, 0, 1])
        .op(Kind::Proof, &[1, HONEST, 0, 0, 0]);
    let shapes = [GAP, OVERLAP, FAR, FIRST, OTHER_PREVIOUS, BRANCH, BRANCH + OVERLAP, BRANCH + FIRST];
    let shapes = shapes.into_iter().fold(prompt().liar().chain(0, 3), |script, shape| {
        script.op(Kind::Sign, &[0, LIAR, shape, 1]).op(Kind::Sign, &[1, LIAR, shape, 2, 0, 9, 3]).deliver()
    });
    vec![
        meet(apart(3, Switches::PROMPT))
            .seed("fork", &["a valid PROOF", "equivocation", "a look-up that finds something", "agreed"]),
        meet(apart(0, Switches::PROMPT)).seed("fork_at_1", &["equivocation", "agreed"]),
        meet(apart(2, Switches::PROMPT | Switches::MONGERS | Switches::WINDOW)).seed("fork_slow", &["equivocation"]),
        proofs.seed("proofs", &["a valid PROOF", "equivocation"]),
        early.seed("proof_early", &["a valid PROOF", "a true MEMBER", "equivocation"]),
        invalid.seed("proof_forged", &["an invalid PROOF", "the liar thrown out"]),
        compatible.seed("proof_of_nothing", &["an invalid PROOF", "the liar thrown out"]),
        of_others.seed("proof_of_others", &["an invalid PROOF", "the liar thrown out"]),
        shapes.seed("shapes", &["equivocation"]),
    ]
}

fn comparisons() -> Vec<Seed> {
    let said = || prompt().liar().chain(0, 4).op(Kind::Submit, &[0, 200]).op(Kind::Submit, &[0, 200]).deliver();
    let statuses = [
        (WANT, LIAR, 0),
        (WANT | TRUE_SUM, LIAR, 0),
        (WANT | ALL, LIAR, 0),
        (WANT | OWN, A, 0),
        (WANT | UP_TO_LAST | THREE, LIAR, 5),
        (WANT | HEARD | THREE, HONEST, 2),
        (HEARD | ONE, LIAR, 1),
        (ONE, LIAR, 5 + HOLD),
        (ONE, LIAR, 2 + FORKED),
        (ONE, LIAR, 16),
        (ONE, LIAR, 4),
        (ALL | ONE, NOBODY + 16, 6),
    ];
    let statuses = statuses.into_iter().fold(said(), |script, (how, origin, spec)| {
        script.op(Kind::Status, &[0, how, origin, spec, A, 5, B, 3, 7]).op(Kind::Read, &[0])
    });
    let boast = said().op(Kind::Status, &[0, WANT | HEARD_MORE]);
    let own_future =
        [0, 8, 16, 24].into_iter().fold(Script::new(0).op(Kind::Restart, &[0, 2]).liar(), |script, index| {
            script
                .op(Kind::Status, &[0, ALL | ONE, A + index, 6, 0, 0, 0, 0, 9])
                .op(Kind::Submit, &[0, 9])
                .op(Kind::Wait, &[40])
        });
    let buckets = said().op(Kind::Buckets, &[0, 0, 1]).op(Kind::Buckets, &[0, 1]).op(Kind::Buckets, &[0, 2]);
    let range = said()
        .op(Kind::Range, &[0, LIAR, 1, 9])
        .op(Kind::Range, &[0, A, 1, 1])
        .op(Kind::Range, &[0, A, 2, 9])
        .op(Kind::Range, &[0, A, 255, 9])
        .op(Kind::Range, &[0, NOBODY, 1, 9]);
    let members = prompt()
        .liar()
        .op(Kind::Sign, &[0, OUTSIDER])
        .op(Kind::Member, &[0, HONEST])
        .op(Kind::Member, &[0, OUTSIDER])
        .op(Kind::Member, &[1, NOBODY])
        .op(Kind::Member, &[1, NOBODY + 16]);
    // Each end hears another certificate first, and one of them after it was started anew.
    let second_names = prompt()
        .liar()
        .op(Kind::Member, &[0, HONEST, 2])
        .op(Kind::Member, &[1, HONEST])
        .op(Kind::Member, &[0, LIAR, 2])
        .op(Kind::Unlink, &[])
        .op(Kind::Member, &[1, A, 2])
        .op(Kind::Member, &[0, B, 2])
        .op(Kind::Restart, &[0, 0])
        .op(Kind::Link, &[])
        .deliver();
    let revoked = |cut: u8, how: u8| {
        let script = said().op(Kind::Issue, &[0, LIAR, cut, LIAR, cut]).op(Kind::Revoked, &[0, 0, how]);
        script.deliver().op(Kind::Up, &[2, 0]).op(Kind::Sign, &[1, LIAR]).op(Kind::Sign, &[1, LIAR + 8]).deliver()
    };
    let newer = revoked(1 + 4 * 2, 2)
        .op(Kind::Issue, &[3, HONEST, 2, LIAR, 0])
        .op(Kind::Revoked, &[1, 2, 1])
        .op(Kind::Up, &[1, 1])
        .op(Kind::Revoked, &[1, 2, 0])
        .op(Kind::Revoked, &[1, 3, 0])
        .op(Kind::Revisions, &[1, 7, 1, 2, 3])
        .op(Kind::Restart, &[0, 0])
        .op(Kind::Link, &[])
        .deliver();
    let of_honest = said().op(Kind::Issue, &[0, B, 3, LIAR, 3]).op(Kind::Revoked, &[1, 0, 0]).deliver();
    vec![
        statuses.seed("status", &["a summary", "a STATUS of some origins", "a STATUS of a range", "STATUS answered"]),
        boast.seed("status_boast", &["the liar thrown out"]),
        own_future.seed("own_future", &["new incarnation", "agreed"]),
        buckets.seed("buckets", &["BUCKETS answered"]),
        range.seed("range", &["RANGE answered", "a range read from the store"]),
        members.seed("member", &["a true MEMBER", "a false MEMBER", "the liar thrown out"]),
        second_names.seed("second_names", &["a true MEMBER", "a certificate replaced", "agreed"]),
        revoked(1 + 4 * 2, 2).seed("revoked", &["revocations", "the liar revoked", "a valid REVOKED", "agreed"]),
        revoked(0, 2).seed("revoked_links", &["revocations", "the liar revoked"]),
        revoked(3, 0).seed("revoked_frame", &["revocations", "a valid REVOKED"]),
        newer.seed("revoked_again", &["revocations", "a valid REVOKED", "restart"]),
        of_honest.seed("revoked_honest", &["honest links closed by a revocation"]),
    ]
}

fn faults() -> Vec<Seed> {
    let both = |switches: u8, length: u8| {
        (0..8).fold(Script::new(Switches::PROMPT | switches).liar(), |script, n| {
            script
                .op(Kind::Sign, &[0, LIAR, TWO, 0, 0, length])
                .op(Kind::Sign, &[1, LIAR + 8 * n, 0, 0, 0, length, 1])
                .deliver()
        })
    };
    let greed = (0..24).fold(Script::new(Switches::PROMPT | Switches::GREED).liar(), |script, _| {
        script.op(Kind::Sign, &[0, LIAR, 3 * TWO, 0, 0, 255])
    });
    let clocks = (1..6).fold(prompt().liar().chain(0, 1), |script, clock| {
        script
            .op(Kind::Sign, &[0, LIAR + 8 * clock])
            .op(Kind::Sign, &[0, LIAR + 8 * clock, 0, 0, clock])
            .op(Kind::Submit, &[0, 1])
    });
    let forged = prompt().liar().chain(0, 2).op(Kind::Resend, &[1, 0, 0, 0, 150, 1]).op(Kind::Resend, &[1, 0, 0]);
    let copies = Script::new(0)
        .liar()
        .op(Kind::Up, &[2, 2])
        .chain(0, 1)
        .op(Kind::Resend, &[2, 0, 0, 0, 150, 1])
        .op(Kind::Resend, &[2, 0, 0])
        .op(Kind::Work, &[0, 1, 1])
        .op(Kind::Sign, &[0, LIAR, BRANCH])
        .op(Kind::Work, &[0, 0, 9]);
    // Copies of one place wait for a certificate that is none.
    let unadmitted = Script::new(0)
        .liar()
        .op(Kind::Member, &[0, OUTSIDER])
        .op(Kind::Sign, &[0, OUTSIDER])
        .op(Kind::Resend, &[0, 0, 0, 0, 150, 1])
        .op(Kind::Resend, &[0, 0, 0, 0, 150, 2])
        .op(Kind::Work, &[0, 0, 9]);
    let raw = [&b"\x07garbage"[..], &[6], &[0x7f, 1, 2], &[1, 0, 1], &[0x90, 1], &[11, 1, 2, 3]];
    let raw = raw.into_iter().fold(prompt(), |script, bytes| script.op(Kind::Up, &[0, 0]).raw(0, bytes));
    let full =
        both(0, 9).op(Kind::Full, &[0]).chain(1, 3).op(Kind::Submit, &[0, 3]).op(Kind::Submit, &[1, 3]).deliver();
    // The full one has nothing to compare a clock with that is set back; the other one has.
    let set_back = |back: u8| {
        let begun = prompt().liar().op(Kind::Full, &[0]).deliver().op(Kind::Sign, &[3, LIAR]);
        let second = begun.op(Kind::Sign, &[0, LIAR, 0, back, 5]).deliver().op(Kind::Resend, &[1, 0, 0]);
        let third = second.op(Kind::Sign, &[0, LIAR, 0, 0, 2]).deliver();
        (0..8).fold(third, |script, _| script.op(Kind::Wait, &[5]).deliver())
    };
    let set_back_first = prompt().liar().op(Kind::Full, &[0]).chain(1, 1).op(Kind::Sign, &[0, LIAR, 0, 0, 5]).deliver();
    let backlog = (0..6).fold(Script::new(Switches::BACKLOG).liar(), |script, _| {
        script.op(Kind::Sign, &[0, LIAR, 0, 0, 0, 250]).op(Kind::Work, &[0, 0, 1])
    });
    let ranges = |script: Script| (0..20).fold(script, |script, _| script.op(Kind::Range, &[0, LIAR, 1, 9]));
    let unread = (0..12)
        .fold(Script::new(Switches::PROMPT | Switches::WINDOW).liar().chain(1, 8).deliver(), |script, _| {
            script.op(Kind::Status, &[0, WANT | ALL]).op(Kind::Range, &[0, LIAR, 1, 9])
        });
    let down = Script::new(0).liar().chain(0, 3).op(Kind::Down, &[0]).op(Kind::Work, &[0, 0, 9]).op(Kind::Up, &[0, 2]);
    vec![
        greed.seed("greed", &["greedy"]),
        both(Switches::GREED, 9).seed("greed_of_incarnations", &["greedy"]),
        both(Switches::ORIGINS | Switches::CURSORS, 0).seed("few_origins", &[]),
        both(Switches::MONGERS | Switches::WINDOW | Switches::CURSORS, 255).seed("narrow", &["agreed"]),
        clocks.seed("clocks", &["dropped, set back", "agreed"]),
        forged.seed("forged", &["the liar thrown out", "agreed"]),
        copies.seed("copies", &["the liar thrown out", "agreed"]),
        unadmitted.seed("copies_unadmitted", &["a false MEMBER", "the liar thrown out", "agreed"]),
        raw.seed("raw", &["the liar thrown out", "agreed"]),
        full.seed("full", &["not in sync"]),
        set_back(9).seed("set_back_through_full", &["dropped, set back"]),
        set_back_first.seed("set_back_behind_first", &["dropped, set back"]),
        backlog.seed("backlog", &["agreed"]),
        ranges(unread).seed("unread", &["agreed"]),
        down.seed("down", &["agreed"]),
    ]
}
