//! The `rumormill-node` program: `rumormill` by this name.

#[path = "../shim.rs"]
mod shim;

fn main() -> std::process::ExitCode {
    shim::exec_as("rumormill-node")
}
