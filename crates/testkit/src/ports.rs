//! Ports for programs that are started with a port, or come back to the one they had.
//!
//! Asking the system for a free port and giving it back leaves a moment in which another test, or any connection that goes out,
//! gets the same one. These are below those that the system hands out, and each is given to one test of all that run.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Ports that follow one another and are taken together.
const BLOCK: u16 = 16;
const FIRST: u16 = 21_008;
// Up to 29,807: a classroom session takes roots up to 29,999.
const BLOCKS: u16 = 550;

struct Mine {
    /// What shows other test programs that a block is taken; until this one ends.
    claims: Vec<TcpListener>,
    left: std::ops::Range<u16>,
}

static MINE: Mutex<Mine> = Mutex::new(Mine { claims: Vec::new(), left: 0..0 });

impl Mine {
    fn claim(&mut self) -> std::ops::Range<u16> {
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
        for n in 0..BLOCKS {
            let first = FIRST + (start + n) % BLOCKS * BLOCK;
            let Ok(claim) = TcpListener::bind(("127.77.77.77", first)) else { continue };
            if (first..first + BLOCK).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
                self.claims.push(claim);
                return first..first + BLOCK;
            }
        }
        panic!("other tests have all ports");
    }
}

/// A port of 127.0.0.1 that nobody else has or gets while this test program runs.
pub fn port() -> u16 {
    let mut mine = MINE.lock().unwrap_or_else(PoisonError::into_inner);
    if mine.left.is_empty() {
        mine.left = mine.claim();
    }
    mine.left.next().unwrap()
}

/// The same, as many as are taken.
pub fn ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| port())
}

/// The first of sixteen that follow one another.
pub fn block() -> u16 {
    MINE.lock().unwrap_or_else(PoisonError::into_inner).claim().start
}
