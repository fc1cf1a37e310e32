//! The body of the engine's fuzz target: two honest engines, linked, and a liar with keys of its own who speaks to both.
//!
//! An input is a list of operations of ten bytes each ([`ops`]): what the liar signs and sends, what the shells of the two
//! engines do and when, faults of links, disks and clocks. After each one the [`bounds`] hold; at the end the faults
//! stop, everything is delivered, time passes, and both honest nodes agree ([`settle`]).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a harness: a panic is the finding"
)]

mod author;
mod book;
mod bounds;
mod cast;
mod disk;
mod finding;
mod job;
mod liar;
mod lists;
mod operate;
pub mod ops;
mod perform;
pub mod plant;
pub mod seeds;
mod settle;
mod shell;
mod spent;
mod work;
mod world;

pub use finding::{Finding, Reached};
pub use plant::{Plant, Sound};

// What the engine does not stand yet, left out.

/// Operations in one input; what follows is not read.
const MAX_OPS: usize = 256;

/// Runs the operations that the bytes spell.
///
/// # Panics
/// Something that should never be was.
pub fn engine(data: &[u8]) {
    if let Err(finding) = run(data, &mut Sound) {
        panic!("{finding}");
    }
}

/// Runs the operations, with the engines' outputs as `plant` leaves them. Says what was reached.
///
/// # Errors
/// The first thing that should never be.
pub fn run(data: &[u8], plant: &mut dyn Plant) -> Result<Reached, Finding> {
    let (switches, script) = data.split_first().unwrap_or((&0, &[]));
    let switches = ops::Switches(*switches);
    let (reached, trace) = once(switches, script, plant)?;
    if switches.twice() {
        let (_, again) = once(switches, script, plant)?;
        if again != trace {
            return Err(Finding("the same inputs gave other outputs".to_owned()));
        }
    }
    Ok(reached)
}

fn once(
    switches: ops::Switches,
    script: &[u8],
    plant: &mut dyn Plant,
) -> Result<(Reached, Option<blake3::Hash>), Finding> {
    let mut world = world::World::new(switches, plant);
    let mut script = ops::Script(script);
    for _ in 0..MAX_OPS {
        let Some(op) = script.next_op() else { break };
        let raw = if op.kind == ops::Kind::Raw { script.take(op.args[1].into()) } else { &[] };
        world.operate(op, raw)?;
    }
    world.settle()?;
    Ok((world.reached, world.trace.map(|trace| trace.finalize())))
}

#[cfg(test)]
mod tests;
