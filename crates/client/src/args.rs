//! The command line.

use clap::{Arg, ArgAction, Command, value_parser};
use rumormill_node::NodeOptions;
use rumormill_node::older::peer::LogLevel;

/// Help of each setting of a node; the names are the keys of the TOML file too.
fn help(key: &str) -> &'static str {
    match key {
        "name" => "Name in the network: small letters, digits, '-'",
        "listen" => "Address for neighbours [default: 127.0.0.1:20000]",
        "control" => "Classroom control port, on loopback [default: none]",
        "neighbour" => "NAME@ADDRESS:PORT of a neighbour; repeats",
        "door" => {
            "KIND,key=value,... for programs that speak an older protocol: udp-mesh, peer-line, protobuf-peer, \
             relay-43110, push-pull or classroom; repeats [default: none]"
        }
        "insecure-bind" => "Let doors listen beyond loopback, where anybody can read and forge what they carry",
        "state" => "Directory of the store and the local socket",
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
        "max-message" => "Longest message taken from people, in bytes",
        "store-max" => "Most bytes in the store",
        "greedy-bytes-per-day" => "Bytes that one member may add in a day; 0 is without limit",
        "greedy-incarnations-per-day" => "Incarnations that one member may add in a day; 0 is without limit",
        "anti-entropy" => "Mean time between comparisons with a neighbour, such as 10s",
        "ping" => "A neighbour not heard for so long is pinged, such as 5s",
        "frames-per-second" => "Frames a second taken from one member",
        "bytes-per-second" => "Bytes a second taken from one member",
        "max-links" => "Links at once",
        "max-handshakes" => "Handshakes in flight",
        "max-handshakes-per-prefix" => "Handshakes in flight from one address prefix",
        "handshake-deadline" => "Time for one handshake, such as 5s",
        "log-format" => "human or json [default: human]",
        "log-level" => "error, warn, info, debug or trace [default: info]",
        _ => "",
    }
}

fn value(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("VALUE").help(text)
}

fn flag(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).action(ActionOf::SetTrue).help(text)
}

use ArgAction as ActionOf;

fn node() -> Command {
    let keys = NodeOptions::KEYS.iter().map(|key| {
        let arg = value(key, help(key));
        match *key {
            "neighbour" | "door" => arg.action(ActionOf::Append),
            "insecure-bind" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
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
        value("socket", "Socket of the running node [default: STATE/node.sock]").value_name("PATH"),
        value("state", "State directory of the running node [default: the working directory]").value_name("DIR"),
    ]
}

fn certs() -> Command {
    let home = || value("home", help("home")).value_name("DIR");
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
                    value("out", "Directory for cert.pem, key.pem and ca.pem [default: in the home]").value_name("DIR"),
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

fn process() -> Command {
    Command::new("process")
        .about("Run a classroom process: listens on the control port and links with its neighbours id-1 and id+1")
        .arg(Arg::new("id").required(true).value_name("ID").value_parser(value_parser!(u16)))
        .arg(Arg::new("n").required(true).value_name("N").value_parser(value_parser!(u16)))
        .arg(Arg::new("port").required(true).value_name("PORT").value_parser(value_parser!(u16)))
        .arg(
            value("root", "Port of process 0 for its neighbours, 20000 to 29999")
                .value_parser(value_parser!(u16).range(20_000..=29_999))
                .default_value("20000"),
        )
        .after_help("Example: process 0 4 10004")
}

fn proxy() -> Command {
    Command::new("proxy")
        .about("Run the classroom proxy: reads commands, starts processes, prints what they answer")
        .arg(
            Arg::new("n")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u32))
                .help("Processes that the short start assumes"),
        )
        .arg(value("process", "Program that `start` runs [default: ./process, else this one]").value_name("PATH"))
        .arg(value("stopall", "Program that `exit` runs [default: ./stopall, else this one]").value_name("PATH"))
        .after_help("Example:\n  printf '0 start 1 10004\\n0 msg 1 hello\\n0 get chatLog\\nexit\\n' | rumormill-proxy")
}

fn insecure_bind() -> Arg {
    flag("insecure-bind", "Listen beyond loopback, where anybody can read and forge what is sent")
}

fn listen_ip() -> Arg {
    value("listen", "Address to listen on [default: 127.0.0.1]")
        .value_name("ADDRESS")
        .value_parser(value_parser!(std::net::IpAddr))
}

/// Programs of the older worlds; none needs a node, the menu can use one.
fn older() -> [Command; 3] {
    let addr = || value_parser!(std::net::SocketAddr);
    let udp_peer = Command::new("udp-peer")
        .about("Be a peer of a UDP mesh: its directory, heartbeats and texts")
        .arg(
            value("directory", "The directory [default: 127.0.0.1:3000]")
                .value_name("ADDRESS:PORT")
                .value_parser(addr()),
        )
        .arg(value("name", "One character, or up to 64 bytes among peers of ours [default: Z]").value_name("NAME"))
        .arg(value("port", "Port of this peer [default: 3005]").value_name("PORT").value_parser(value_parser!(u16)))
        .arg(value("broadcast", "on or off: a text every four seconds [default: off]").value_parser(["on", "off"]))
        .arg(listen_ip())
        .arg(insecure_bind())
        .after_help(
            "Standard input: connect, disconnect, broadcast on|off, send TEXT, send NAME TEXT, peers, help, quit.\n\n\
             Example: rumormill udp-peer --name Q --port 3007",
        );
    let menu = Command::new("menu")
        .about("The menu chat: asks for a name and a port, then shows its menu")
        .long_about(
            "The menu chat: asks for a name and a port, then shows its menu.\n\n\
             Alone it speaks the plain format: it listens on that port, and neither proves nor hides anything. With --state or \
             --socket its messages go through that running node and its network, signed and over TLS; no port is opened, and \
             every member of the network can read them.",
        )
        .arg(listen_ip().help(
            "Address to listen on [default: 127.0.0.1]; at a node, the address that others know it by [default: the node's]",
        ))
        .arg(insecure_bind().conflicts_with_all(["state", "socket"]))
        .arg(value("state", "State directory of a running node that carries the messages").value_name("DIR"))
        .arg(value("socket", "Socket of that node [default: STATE/node.sock]").value_name("PATH"))
        .after_help("Examples:\n  rumormill menu\n  rumormill menu --state alice.d");
    let peer = Command::new("peer")
        .about("Be a peer of the protobuf protocol: alone at LOCAL, or joined to the one at PEER")
        .arg(Arg::new("local").required(true).value_name("LOCAL").value_parser(addr()).help("Where to listen"))
        .arg(Arg::new("peer").value_name("PEER").value_parser(addr()).help("The host to join"))
        .arg(
            value("desired-id", "Id to ask for [default: a random one]")
                .value_name("N")
                .value_parser(value_parser!(i64).range(1..)),
        )
        .arg(
            value("log-level", "DEBUG, INFO, WARNING, ERROR or CRITICAL [default: INFO]")
                .value_parser(|text: &str| text.parse::<LogLevel>()),
        )
        .arg(insecure_bind())
        .after_help(
            "Standard input: ID TEXT sends, `table` shows the peers, `buffer` what waits for them, `end` leaves.\n\n\
             Examples:\n  rumormill peer 127.0.0.1:5000 --desired-id 10\n  \
             rumormill peer 127.0.0.1:5001 127.0.0.1:5000 --desired-id 11",
        );
    [udp_peer, menu, peer]
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
                .arg(value("room", "Which room [default: the common one]").default_value(""))
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
                .about("Show the links of a running node: lag, in sync, TLS version and group")
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
        // Usage lines then begin with the binary's own name.
        Some(name) => root.mut_subcommand(name, move |sub| {
            let bin = if matches!(name, "process" | "stopall") { name.to_owned() } else { format!("rumormill-{name}") };
            sub.bin_name(bin.clone()).display_name(bin).version(env!("CARGO_PKG_VERSION"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, with those above it.
    fn leaves(command: &Command) -> Vec<Command> {
        if command.get_subcommands().next().is_none() {
            return vec![command.clone()];
        }
        command.get_subcommands().flat_map(leaves).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        for chosen in [None, Some("node"), Some("proxy"), Some("process"), Some("stopall")] {
            command(chosen).debug_assert();
        }
    }

    #[test]
    fn every_help_has_an_example_that_parses() {
        let all = leaves(&command(None));
        assert!(all.len() > 12, "{}", all.len());
        for one in &all {
            let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", one.get_name());
        }
        let mut tried = 0;
        for one in all {
            let help = one.get_after_help().unwrap().to_string();
            for line in
                help.lines().filter_map(|line| line.split_once("rumormill ").filter(|(_, rest)| !rest.contains('|')))
            {
                let words = line.1.replace('\'', "\"");
                let words: Vec<_> = words.split('"').enumerate().flat_map(quoted).collect();
                let parsed = command(None).try_get_matches_from([vec!["rumormill".to_owned()], words.clone()].concat());
                assert!(parsed.is_ok(), "{words:?}: {parsed:?}");
                tried += 1;
            }
        }
        assert!(tried > 12, "{tried}");
    }

    /// A piece of a line between quotation marks is one word, one outside as many as it has.
    fn quoted((n, piece): (usize, &str)) -> Vec<String> {
        if n % 2 == 1 { vec![piece.to_owned()] } else { piece.split_whitespace().map(str::to_owned).collect() }
    }

    #[test]
    fn every_setting_of_a_node_has_a_help() {
        for key in NodeOptions::KEYS {
            assert!(!help(key).is_empty(), "{key}");
        }
    }

    #[test]
    fn what_is_asked_for_wrongly_is_refused() {
        for words in
            ["process 1 2", "process 1 2 3 --root 30000", "process x 2 3", "send", "certs", "certs issue a --days 0"]
        {
            let all = std::iter::once("rumormill").chain(words.split(' '));
            assert!(command(None).try_get_matches_from(all).is_err(), "{words}");
        }
    }
}
