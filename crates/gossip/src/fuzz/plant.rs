//! Where a test plants a bug: what comes out of an engine passes here before the shell does it.

use crate::io::Output;

/// Changes outputs.
pub trait Plant {
    /// One output of the engine at `end` (0 or 1), and what takes its place.
    fn output(&mut self, end: usize, output: Output) -> Vec<Output>;
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sound;

impl Plant for Sound {
    fn output(&mut self, _: usize, output: Output) -> Vec<Output> {
        vec![output]
    }
}
