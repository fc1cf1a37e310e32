//! The command line.

mod certs;
mod classroom;
mod older;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, Command};
use rumormill_node::{NodeOptions, door_kinds};

/// Help of each setting of a node; the names are the keys of the TOML file too.
fn help(key: &str) -> &'static str {
    match key {
        "name" => "Name in the network: small letters, digits, '-'",
        "listen" => "Address for neighbours [default: 127.0.0.1:20000]",
        "control" => "Classroom control port, on loopback [default: none]",
        "neighbour" => "NAME@ADDRESS:PORT of a neighbour; repeats",
        "insecure-bind" => "Let doors listen beyond loopback, where anybody can read and forge what they carry",
        "state" => "Directory of the store and the local socket",
        "restored" => "For one start: STATE was put back from a copy, or its store removed, on purpose",
        "socket" => "Path of the local socket [default: STATE/node.sock]",
        "store" => "sqlite or memory [default: sqlite]",
        "durability" => "full survives a loss of power, normal the end of the process [default: full]",
        "dissemination" => "tree or mongering [default: tree]",
        "home" => {
            "Directory of the local CA [default: $RUMORMILL_HOME, $XDG_STATE_HOME/rumormill, ~/.local/state/rumormill]"
        }
        "cert" => "This node's certificate, PEM",
        "key" => "Its key, PEM",
        "ca" => "The network's CA certificate, PEM",
        "pins" => "Pin file: the network id, then node ids and names",
        "max-message" => "Longest message taken from people, in bytes [default: 32KiB]",
        "store-max" => "Most bytes in the store [default: 16GiB]",
        "greedy-bytes-per-day" => "Bytes that one member may add in a day; 0 is without limit [default: 64MiB]",
        "greedy-incarnations-per-day" => {
            "Incarnations that one member may add in a day; 0 is without limit [default: 32]"
        }
        "author-bytes-per-second" => {
            "Bytes that one member may add in a second, beyond a burst; 0 is without limit [default: 2MiB]"
        }
        "anti-entropy" => "Mean time between comparisons with a neighbour [default: 10s]",
        "ping" => "A neighbour not heard for so long is pinged [default: 5s]",
        "frames-per-second" => "Frames a second taken from one member [default: 20000]",
        "bytes-per-second" => "Bytes a second taken from one member [default: 256MiB]",
        "max-links" => "Links at once [default: 64]",
        "max-handshakes" => "Handshakes in flight [default: 512]",
        "max-handshakes-per-prefix" => "Handshakes in flight from one address prefix [default: 64]",
        "handshake-deadline" => "Time for one handshake [default: 5s]",
        "post-quantum" => {
            "require refuses links without the key exchange X25519MLKEM768; prefer or require [default: prefer]"
        }
        "log-format" => "human or json [default: human]",
        "log-level" => "error, warn, info, debug or trace [default: RUST_LOG as far as it is meant for us, else info]",
        _ => "",
    }
}

fn value(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("VALUE").help(text)
}

/// A path. An empty one would be the working directory by accident.
fn path(name: &'static str, text: &'static str) -> Arg {
    value(name, text).value_parser(NonEmptyStringValueParser::new())
}

fn flag(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).action(ActionOf::SetTrue).help(text)
}

use ArgAction as ActionOf;

use certs::certs;
use classroom::{process, proxy};
use older::older;

fn node() -> Command {
    let keys = NodeOptions::KEYS.iter().map(|key| {
        let arg = value(key, help(key));
        match *key {
            "neighbour" => arg.action(ActionOf::Append),
            "door" => arg.action(ActionOf::Append).help(format!(
                "KIND,key=value,... for programs that speak a legacy protocol, where KIND is one of {}; repeats [default: none]",
                door_kinds().join(", ")
            )),
            "insecure-bind" | "restored" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => arg,
        }
    });
    Command::new("node")
        .about("Run a node until it is told to stop (SIGTERM or Ctrl-C)")
        .args(keys)
        .arg(value("config", "TOML file whose keys are the flags' names; flags win").value_name("FILE"))
        .after_help(
            "Examples:\n  \
             rumormill node --name alice --state alice.d\n  \
             rumormill node --name bob --listen 127.0.0.1:20001 --neighbour alice@127.0.0.1:20000 --state bob.d\n  \
             rumormill node --name carol --state carol.d --door udp-mesh,listen=127.0.0.1:3000\n  \
             rumormill node --config /etc/rumormill/node.toml\n\n\
             Exit codes: 0 stopped as asked, 1 failed, 2 asked for wrongly.",
        )
}

fn socket() -> [Arg; 2] {
    [
        path("socket", "Socket of the running node [default: STATE/node.sock]").value_name("PATH"),
        path("state", "State directory of the running node [default: the working directory]").value_name("DIR"),
    ]
}

/// The whole command line. A binary that stands for one sub-command shows only that.
pub fn command(chosen: Option<&'static str>) -> Command {
    let root = Command::new("rumormill")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Secure chat without a centre: signed messages, gossiped over mutual TLS 1.3")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(node())
        .subcommand(
            Command::new("send")
                .about("Send a message through a running node; answers when it is durable")
                .arg(Arg::new("text").required(true).value_name("TEXT").allow_hyphen_values(true))
                .arg(value("room", "Which room [default: the common one]").default_value("").hide_default_value(true))
                .arg(flag("json", "One JSON object"))
                .args(socket())
                .after_help(
                    "Examples:\n  rumormill send --state alice.d 'Has anybody heard?'\n  \
                     rumormill send --socket alice.d/node.sock --room news 'It is a rumor.'",
                ),
        )
        .subcommand(
            Command::new("log")
                .about("Show the log of a running node")
                .arg(flag("follow", "Go on with new messages as they come"))
                .arg(flag("json", "One JSON object a message"))
                .args(socket())
                .after_help(
                    "Examples:\n  rumormill log --state alice.d --follow\n  rumormill log --state alice.d --json",
                ),
        )
        .subcommand(
            Command::new("peers")
                .about("Show the links of a running node: lag, in sync, TLS version and group; and why a neighbour has none")
                .arg(flag("json", "One JSON array"))
                .args(socket())
                .after_help("Example: rumormill peers --state alice.d"),
        )
        .subcommand(
            Command::new("doors")
                .about("Show the open doors of a running node with their counters")
                .arg(flag("json", "One JSON array"))
                .args(socket())
                .after_help("Example: rumormill doors --state alice.d"),
        )
        .subcommand(
            Command::new("metrics")
                .about("Show all counters of a running node as JSON")
                .args(socket())
                .after_help("Example: rumormill metrics --state alice.d"),
        )
        .subcommand(certs())
        .subcommand(
            Command::new("demo")
                .about("Watch five nodes on this machine: links, messages, a crash, a return, one log everywhere")
                .arg(flag("json", "One JSON object at the end, no progress"))
                .after_help(
                    "Needs nothing: certificates and logs are made in a temporary directory.\n\n\
                     Examples:\n  rumormill demo\n  rumormill demo --json",
                ),
        )
        .subcommands(older())
        .subcommand(proxy())
        .subcommand(process())
        .subcommand(
            Command::new("stopall")
                .about("End the processes that were started in this directory")
                .after_help("Example: stopall, where `process` was run"),
        )
        .after_help(
            "Examples:\n  rumormill demo\n  rumormill node --name alice --state alice.d\n  \
             rumormill send --state alice.d 'hello'\n  rumormill log --state alice.d --follow\n\n\
             Exit codes: 0 done, 1 failed, 2 asked for wrongly.",
        );
    choose(root, chosen)
}

fn choose(root: Command, chosen: Option<&'static str>) -> Command {
    match chosen {
        None => root,
        // As a binary of its own it has a name and a usage of its own.
        Some(name) => root.mut_subcommand(name, move |sub| {
            let bin = if matches!(name, "process" | "stopall") { name.to_owned() } else { format!("rumormill-{name}") };
            let words = sub.get_positionals().map(|arg| format!(" <{}>", arg.get_id().as_str().to_uppercase()));
            let options = if sub.get_opts().next().is_some() { " [OPTIONS]" } else { "" };
            let usage = format!("{bin}{options}{}", words.collect::<String>());
            sub.override_usage(usage).bin_name(bin.clone()).display_name(bin).version(env!("CARGO_PKG_VERSION"))
        }),
    }
}

#[cfg(test)]
mod tests;
