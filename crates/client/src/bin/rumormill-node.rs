//! The `rumormill-node` program.

fn main() -> std::process::ExitCode {
    rumormill_client::main(Some("node"))
}
