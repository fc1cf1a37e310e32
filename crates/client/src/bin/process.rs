//! The `process` program: `rumormill` by this name.

#[path = "../shim.rs"]
mod shim;

fn main() -> std::process::ExitCode {
    shim::exec_as("process")
}
