//! `rumormill certs`.

use clap::{Arg, Command, value_parser};

use super::{flag, help, path, value};

pub(super) fn certs() -> Command {
    let home = || path("home", help("home")).value_name("DIR");
    Command::new("certs")
        .about("Make and look at certificates")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("init")
                .about("Make the CA of a new network; one that is there is left alone")
                .arg(home())
                .after_help("Example: rumormill certs init --home ca"),
        )
        .subcommand(
            Command::new("issue")
                .about("Issue or renew the certificate of a node; a renewed one keeps its key")
                .arg(Arg::new("name").required(true).value_name("NAME"))
                .arg(
                    path("out", "Directory for cert.pem, key.pem and ca.pem [default: in the home]").value_name("DIR"),
                )
                .arg(
                    value("days", "Days until it expires")
                        .value_parser(value_parser!(u32).range(1..=3_650))
                        .default_value("398"),
                )
                .arg(home())
                .after_help("Example: rumormill certs issue alice --home ca --out alice"),
        )
        .subcommand(
            Command::new("show")
                .about("Show a certificate, the CA, or the revocation list")
                .arg(
                    Arg::new("what").value_name("NAME|FILE").help("A name issued here or a file; nothing shows the CA"),
                )
                .arg(flag("json", "One JSON object"))
                .arg(home())
                .after_help("Examples:\n  rumormill certs show alice\n  rumormill certs show alice.d/cert.pem --json"),
        )
        .subcommand(
            Command::new("revoke")
                .about("Put a node on the revocation list: its links end and no new one is taken")
                .arg(Arg::new("who").required(true).value_name("NAME|NODE-ID"))
                .arg(
                    value(
                        "socket",
                        "A running node that says what to keep: later messages of the revoked one will not count",
                    )
                    .value_name("PATH"),
                )
                .arg(home())
                .after_help(
                    "Examples:\n  rumormill certs revoke alice\n  rumormill certs revoke alice --socket bob.d/node.sock",
                ),
        )
        .after_help(
            "Examples:\n  \
             rumormill certs init\n  \
             rumormill certs issue alice --out alice.d\n  \
             rumormill certs show alice\n  \
             rumormill certs revoke alice --socket bob.d/node.sock",
        )
}
