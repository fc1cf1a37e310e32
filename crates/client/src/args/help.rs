//! What is said of each setting of a node.

/// Help of each setting of a node; the names are the keys of the TOML file too.
pub(super) fn help(key: &str) -> &'static str {
    match key {
        "name" => "Name in the network: small letters, digits, '-'",
        "listen" => "Address for neighbours [default: 127.0.0.1:20000]",
        "control" => "Classroom control port, on loopback [default: none]",
        "neighbour" => "NAME@ADDRESS:PORT of a neighbour; repeats",
        "door" => {
            "KIND,key=value,... for programs that speak an older protocol: udp-mesh, peer-line, protobuf-peer, \
             relay-43110, push-pull or classroom; repeats [default: none]"
        }
        "insecure-bind" => {
            "Let doors but classroom listen beyond loopback, where anybody can read and forge what they carry"
        }
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
            "Incarnations that one member may add in a day, and those of eight days at once; 0 is without limit [default: 32]"
        }
        "author-bytes-per-second" => {
            "Bytes that one member may add in a second, beyond a burst; 0 is without limit [default: 2MiB]"
        }
        "anti-entropy" => "Mean time between comparisons, each with four random neighbours [default: 10s]",
        "ping" => "A neighbour not heard for so long is pinged [default: 5s]",
        "frames-per-second" => {
            "Frames a second taken from one member; one without messages counts as 4, a long list as more [default: 20000]"
        }
        "bytes-per-second" => "Bytes a second taken from one member [default: 256MiB]",
        "max-links" => "Links at once, of which each neighbour has one [default: 64]",
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
