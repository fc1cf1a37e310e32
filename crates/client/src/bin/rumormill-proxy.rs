//! The `rumormill-proxy` program.

fn main() -> std::process::ExitCode {
    rumormill_client::main(Some("proxy"))
}
