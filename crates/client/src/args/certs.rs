//! `rumormill certs`.

use clap::{Arg, Command, value_parser};

use super::arg::{flag, path, socket, value};
use super::help::help;

fn owner() -> Arg {
    flag("node-of-owner", "The node runs as another user, who owns --state: take its word all the same")
}

fn home() -> Arg {
    path("home", help("home")).value_name("DIR")
}

/// `rumormill certs` and its sub-commands.
pub(super) fn certs() -> Command {
    Command::new("certs")
        .about("Make and look at certificates")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([init(), issue(), show(), revoke(), restore()])
        .after_help(
            "Examples:\n  \
             rumormill certs init\n  \
             rumormill certs issue alice --out alice.d\n  \
             rumormill certs show alice\n  \
             rumormill certs revoke alice --state bob.d",
        )
}

fn init() -> Command {
    Command::new("init")
        .about("Make the CA of a new network; one that is there is left alone")
        .arg(home())
        .after_help("Example: rumormill certs init --home ca")
}

fn issue() -> Command {
    Command::new("issue")
        .about("Issue or renew the certificate of a node; a renewed one keeps its key")
        .arg(Arg::new("name").required(true).value_name("NAME"))
        .arg(path("out", "Directory for cert.pem, key.pem and ca.pem [default: in the home]").value_name("DIR"))
        .arg(
            value("days", "Days until it expires")
                .value_parser(value_parser!(u32).range(1..=3_650))
                .default_value("398"),
        )
        .arg(flag("new-key", "Where a revoked key lies: keep it beside, and make a new one and so another node"))
        .arg(home())
        .after_help("Example: rumormill certs issue alice --home ca --out alice")
}

fn show() -> Command {
    Command::new("show")
        .about("Show a certificate and whether it is revoked, or with nothing given the CA and its revocation list")
        .arg(
            Arg::new("what")
                .value_name("NAME|FILE")
                .help("A name issued here or a certificate file [default: the CA and its revocation list]"),
        )
        .arg(flag("json", "One JSON object"))
        .arg(home())
        .after_help("Examples:\n  rumormill certs show alice\n  rumormill certs show alice.d/cert.pem --json")
}

fn revoke() -> Command {
    Command::new("revoke")
        .about(
            "Put a node on the revocation list: its links end, no new one is taken, and of its messages those \
             count that a running node has",
        )
        .arg(Arg::new("who").required(true).value_name("NAME|NODE-ID"))
        .args(socket())
        .arg(
            flag("no-cut", "Ask no node what counts: all its messages, also what its key signs later")
                .conflicts_with("cut-all"),
        )
        .arg(flag("cut-all", "Ask no node what counts: none of its messages"))
        .arg(owner())
        .arg(flag("new-list", "The list of this home is lost and no node has one: begin anew"))
        .arg(home())
        .after_help(
            "Examples:\n  rumormill certs revoke alice --state bob.d\n  \
             rumormill certs revoke alice --home ca --no-cut",
        )
}

fn restore() -> Command {
    Command::new("restore")
        .about("Put the revocation list of this home back, from what a running node has in force")
        .args(socket())
        .arg(owner())
        .arg(home())
        .after_help("Example: rumormill certs restore --home ca --state bob.d")
}
