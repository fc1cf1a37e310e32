//! The `rumormill` program.

fn main() -> std::process::ExitCode {
    rumormill_client::main()
}
