//! `rumormill send`, `log`, `peers` and `metrics`: a running node, by its local socket.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_node::socket::{Client, ClientError, LogEvent, default_path};
use rumormill_node::view::LogLine;

use crate::output::{Failure, colour, line};

/// Which socket is meant.
pub fn socket(matches: &ArgMatches) -> PathBuf {
    match (matches.get_one::<String>("socket"), matches.get_one::<String>("state")) {
        (Some(socket), _) => PathBuf::from(socket),
        (None, Some(state)) => default_path(Path::new(state)),
        (None, None) => default_path(Path::new(".")),
    }
}

fn failure(why: ClientError) -> Failure {
    let next = match &why {
        ClientError::Connect { .. } => {
            "start it with `rumormill node --name NAME --state DIR`, and give --state DIR here"
        }
        _ => "",
    };
    Failure::failed(why, next)
}

/// Connects and asks.
fn ask<T>(matches: &ArgMatches, act: impl AsyncFnOnce(&mut Client) -> Result<T, ClientError>) -> Result<T, Failure> {
    crate::runtime(1)?.block_on(async {
        let mut client = Client::connect(&socket(matches)).await.map_err(failure)?;
        act(&mut client).await.map_err(failure)
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|why| Failure::failed(why, ""))
}

pub fn send(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let text = matches.get_one::<String>("text").map_or("", String::as_str);
    let room = matches.get_one::<String>("room").map_or("", String::as_str);
    let sent = ask(matches, async |client| client.send(text, room).await)?;
    if matches.get_flag("json") {
        line(json(&sent)?);
    } else {
        line(format_args!("durable: origin {} incarnation {} number {}", sent.origin, sent.incarnation, sent.seq));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn log(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let as_json = matches.get_flag("json");
    let colours = colour(&std::io::stdout());
    ask(matches, async |client| {
        let show = |event| match event {
            LogEvent::Line(message) if as_json => serde_json::to_string(&message).is_ok_and(line),
            LogEvent::Line(message) => line(for_people(&message, colours)),
            LogEvent::Missed(bundles) => {
                eprint(&format!("missed {bundles} bundles; run `rumormill log` again to see them"));
                true
            }
        };
        client.log(matches.get_flag("follow"), None, None, show).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn eprint(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One message on one line: time, who, text, and what is to be doubted about it.
fn for_people(message: &LogLine, colours: bool) -> String {
    let (dim, bold, plain) = if colours { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let author = message.from.clone().unwrap_or_else(|| message.origin.chars().take(8).collect());
    // Whoever came through a door has only said who it is; the node that let it in has signed that.
    let who = match (&message.claimed, &message.door) {
        (Some(claimed), Some(door)) => format!("{}/{door}? by {author}", plain_text(claimed)),
        _ => author,
    };
    // A message may hold anything; a terminal must not obey it.
    let text = plain_text(&message.text);
    let room = if message.room.is_empty() { String::new() } else { format!(" #{}", message.room) };
    let late = if message.late { " (late)" } else { "" };
    let doubt = if message.verified { "" } else { " (unverified)" };
    format!("{dim}{}{plain} {bold}{who}{plain}{room} {text}{dim}{late}{doubt}{plain}", message.time)
}

fn plain_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub fn peers(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let peers = ask(matches, async |client| client.peers().await)?;
    if matches.get_flag("json") {
        line(json(&peers)?);
        return Ok(ExitCode::SUCCESS);
    }
    if peers.is_empty() {
        line("no links");
        return Ok(ExitCode::SUCCESS);
    }
    line(format_args!(
        "{:<16} {:<22} {:<9} {:>6} {:>6} {:<8} {:<20} TLS",
        "NAME", "ADDRESS", "DIRECTION", "LAG", "BEHIND", "IN SYNC", "WHY"
    ));
    for peer in peers {
        let sync = if peer.in_sync { "yes" } else { "no" };
        line(format_args!(
            "{:<16} {:<22} {:<9} {:>6} {:>6} {:<8} {:<20} {} {}",
            peer.name,
            peer.addr,
            peer.direction,
            peer.lag,
            peer.behind,
            sync,
            peer.why.as_deref().unwrap_or("-"),
            peer.tls_version,
            peer.tls_group
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn doors(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let doors = ask(matches, async |client| client.doors().await)?;
    if matches.get_flag("json") {
        line(json(&doors)?);
        return Ok(ExitCode::SUCCESS);
    }
    if doors.is_empty() {
        line("no doors");
        return Ok(ExitCode::SUCCESS);
    }
    line(format_args!("{:<16} {:<22} {:>5} {:>8} {:>8}  ALSO", "DOOR", "ADDRESS", "OPEN", "IN", "OUT"));
    for door in doors {
        let count = |name: &str| door.counters.get(name).copied().unwrap_or(0);
        // What everybody has is in the columns; what went wrong is named.
        let usual = ["open", "opened", "messages_in", "messages_out", "bytes_in", "bytes_out", "waiting_out"];
        let also = door.counters.iter().filter(|(name, n)| **n > 0 && !usual.contains(&name.as_str()));
        let also: Vec<_> = also.map(|(name, n)| format!("{name} {n}")).collect();
        let (open, came, went) = (count("open"), count("messages_in"), count("messages_out"));
        line(format_args!("{:<16} {:<22} {open:>5} {came:>8} {went:>8}  {}", door.door, door.listen, also.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn metrics(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let metrics = ask(matches, async |client| client.metrics().await)?;
    line(json(&metrics)?);
    Ok(ExitCode::SUCCESS)
}
