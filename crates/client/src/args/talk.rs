//! What is asked of a running node over its local socket.

use clap::{Arg, Command};

use super::arg::{flag, socket, value};

/// The sub-commands that talk to a running node.
pub(super) fn talk() -> [Command; 5] {
    [send(), log(), peers(), doors(), metrics()]
}

fn send() -> Command {
    Command::new("send")
        .about("Send a message through a running node; answers when it is durable")
        .arg(Arg::new("text").required(true).value_name("TEXT").allow_hyphen_values(true))
        .arg(value("room", "Which room [default: the common one]").default_value("").hide_default_value(true))
        .arg(flag("json", "One JSON object"))
        .args(socket())
        .after_help(
            "Examples:\n  rumormill send --state alice.d 'Has anybody heard?'\n  \
             rumormill send --socket alice.d/node.sock --room news 'It is a rumor.'",
        )
}

fn log() -> Command {
    Command::new("log")
        .about("Show the log of a running node")
        .arg(flag("follow", "Go on with new messages as they come"))
        .arg(flag("json", "One JSON object a message"))
        .args(socket())
        .after_help("Examples:\n  rumormill log --state alice.d --follow\n  rumormill log --state alice.d --json")
}

fn peers() -> Command {
    Command::new("peers")
        .about("Show the links of a running node: lag, in sync, TLS version and group; and why a neighbour has none")
        .arg(flag("json", "One JSON array"))
        .args(socket())
        .after_help("Example: rumormill peers --state alice.d")
}

fn doors() -> Command {
    Command::new("doors")
        .about("Show the open doors of a running node with their counters")
        .arg(flag("json", "One JSON array"))
        .args(socket())
        .after_help("Example: rumormill doors --state alice.d")
}

fn metrics() -> Command {
    Command::new("metrics")
        .about("Show all counters of a running node as JSON")
        .args(socket())
        .after_help("Example: rumormill metrics --state alice.d")
}
