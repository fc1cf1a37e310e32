//! The command line.

mod arg;
mod certs;
mod classroom;
mod help;
mod legacy;
mod talk;

use clap::{ArgAction, Command};
use rumormill_node::{NodeOptions, door_kinds};

use arg::{flag, value};
use certs::certs;
use classroom::{process, proxy, stopall};
use help::help;
use legacy::legacy;
use talk::talk;

fn node() -> Command {
    let keys = NodeOptions::KEYS.iter().map(|key| {
        let arg = value(key, help(key));
        match *key {
            "neighbour" => arg.action(ArgAction::Append),
            "door" => arg.action(ArgAction::Append).help(format!(
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
        .arg(flag("end-with-input", "Stop too when standard input ends, as with the program that started the node"))
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

/// The whole command line. A binary that stands for one sub-command shows only that.
pub(crate) fn command(chosen: Option<&'static str>) -> Command {
    let root = Command::new("rumormill")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Secure chat without a centre: signed messages, gossiped over mutual TLS 1.3")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(node())
        .subcommands(talk())
        .subcommands([certs(), demo()])
        .subcommands(legacy())
        .subcommands([proxy(), process(), stopall()])
        .after_help(
            "Examples:\n  rumormill demo\n  rumormill node --name alice --state alice.d\n  \
             rumormill send --state alice.d 'hello'\n  rumormill log --state alice.d --follow\n\n\
             Exit codes: 0 done, 1 failed, 2 asked for wrongly.",
        );
    choose(root, chosen)
}

fn demo() -> Command {
    Command::new("demo")
        .about("Watch five nodes on this machine: links, messages, a crash, a return, one log everywhere")
        .arg(flag("json", "One JSON object at the end, no progress"))
        .after_help(
            "Needs nothing: certificates and logs are made in a temporary directory.\n\n\
             Examples:\n  rumormill demo\n  rumormill demo --json",
        )
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
