//! The programs of the legacy protocols.

use clap::{Arg, Command, value_parser};
use rumormill_doors::protobuf_peer::console::LogLevel;

use super::arg::{flag, value};

pub(super) fn insecure_bind() -> Arg {
    flag("insecure-bind", "Listen beyond loopback, where anybody can read and forge what is sent")
}

pub(super) fn listen_ip() -> Arg {
    value("listen", "Address to listen on [default: 127.0.0.1]")
        .value_name("ADDRESS")
        .value_parser(value_parser!(std::net::IpAddr))
}

/// Programs of the legacy protocols; none needs a node, the menu can use one.
pub(super) fn legacy() -> [Command; 3] {
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
