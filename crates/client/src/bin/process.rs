//! The `process` program.

fn main() -> std::process::ExitCode {
    rumormill_client::main(Some("process"))
}
