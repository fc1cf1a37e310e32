//! `rumormill send`, `log`, `peers` and `metrics`: a running node, by its local socket.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_api::{Client, ClientError, Foreign, Info, LogQuery, MAX_ROOM_LEN, PeerInfo, Standing, Step};
use rumormill_api::{date, default_path, foreign, own_clock_suspected};

use crate::output::{Failure, Out, colour, count, tell};
use crate::shown;

/// Which socket is meant.
///
/// # Errors
/// The state directory named is none: it is named wrongly.
pub(crate) fn socket(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    match (matches.get_one::<String>("socket"), matches.get_one::<String>("state")) {
        (Some(socket), _) if socket.is_empty() => Err(Failure::usage("socket: an empty path is none", "give its path")),
        (Some(socket), _) => Ok(PathBuf::from(socket)),
        (None, Some(state)) if Path::new(state).is_dir() => Ok(default_path(Path::new(state))),
        (None, Some(state)) => Err(Failure::usage(
            format_args!("state: there is no directory `{state}`"),
            "give the --state that the node was started with; `rumormill node --name NAME --state DIR` starts one",
        )),
        (None, None) => Ok(default_path(Path::new("."))),
    }
}

fn failure(why: ClientError) -> Failure {
    let next = match &why {
        ClientError::Connect { .. } => {
            "start it with `rumormill node --name NAME --state DIR`, and give --state DIR here"
        }
        ClientError::Denied { .. } => {
            "a node answers its own user and root: run this as that user (`sudo -u USER rumormill ...`), or name the socket of your own node"
        }
        ClientError::LetGo { .. } => {
            "run `rumormill log` to see all of it, and `log --follow` again; have what reads its output keep up (Ctrl-Z and Ctrl-S stop it)"
        }
        ClientError::Stranger { .. } => {
            "name the socket of your own node; where it is that user's node you mean, run this as that user"
        }
        ClientError::Hangs { .. } => {
            "see whether it is stopped (`ps`: state T) or its disk is slow; end it and start it again if it stays so"
        }
        _ => "",
    };
    match &why {
        ClientError::Wrong(_) => Failure::usage(why, "nothing was sent"),
        _ => Failure::failed(why, next),
    }
}

/// Connects to the node that the flags name, and does `act` there.
fn ask<T>(matches: &ArgMatches, act: impl AsyncFnOnce(Client) -> Result<T, ClientError>) -> Result<T, Failure> {
    let path = socket(matches)?;
    crate::runtime::runtime(1)?.block_on(async {
        let client = Client::connect(&path).await.map_err(failure)?;
        act(client).await.map_err(failure)
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    // What a terminal would obey stands as `\uXXXX`: the same value.
    let text = serde_json::to_string(value).map_err(|why| Failure::failed(why, ""))?;
    Ok(foreign::json(&text).into_owned())
}

pub(crate) fn send(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let text = matches.get_one::<String>("text").map_or("", String::as_str);
    let room = matches.get_one::<String>("room").map_or("", String::as_str);
    if room.len() > MAX_ROOM_LEN {
        let why = format!("room: the name has {} bytes, {MAX_ROOM_LEN} at most", room.len());
        return Err(Failure::usage(why, "give a shorter one"));
    }
    let sent = ask(matches, async |mut client| client.send(text, room).await)?;
    if matches.get_flag("json") {
        out.line(json(&sent)?);
    } else {
        out.line(format_args!("durable: origin {} incarnation {} number {}", sent.origin, sent.incarnation, sent.seq));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn log(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let as_json = matches.get_flag("json");
    let colours = colour(&std::io::stdout());
    let follow = matches.get_flag("follow");
    if !follow {
        out.gather();
    }
    ask(matches, async |client| {
        let mut reader = client.log(LogQuery { follow, ..LogQuery::default() }).await?;
        loop {
            let step = match reader.next().await {
                Ok(step) => step,
                Err(why) => return Err(reader.why_ended(why).await),
            };
            let go_on = match step {
                Step::Line(message) if as_json => json(&message).is_ok_and(|text| out.line(text)),
                Step::Line(message) => out.shown(shown::message(&message, colours)),
                Step::Current => true,
                Step::Missed(messages) => {
                    tell("", &format!("missed {}; run `rumormill log` again to see them", count(messages, "message")));
                    true
                }
                Step::End if follow => {
                    tell("", "the node stops: nothing more comes");
                    false
                }
                Step::End => false,
            };
            if !go_on {
                return Ok(());
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn peers(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let (peers, unlinked, info) =
        ask(matches, async |mut client| Ok((client.peers().await?, client.unlinked().await?, client.info().await?)))?;
    if matches.get_flag("json") {
        let linked = peers.iter().map(|peer| Listed { linked: true, info: peer });
        let unlinked = unlinked.iter().map(|neighbour| Listed { linked: false, info: neighbour });
        let all = linked.map(|one| json(&one)).chain(unlinked.map(|one| json(&one)));
        out.line(format_args!("[{}]", all.collect::<Result<Vec<_>, _>>()?.join(",")));
        return Ok(ExitCode::SUCCESS);
    }
    lists_and_dates(out, &peers, &info);
    if peers.is_empty() {
        out.line("no links");
    } else {
        links(out, peers);
    }
    if !unlinked.is_empty() {
        out.line("not linked:");
    }
    for neighbour in unlinked {
        out.shown(shown::neighbour(&neighbour));
    }
    Ok(ExitCode::SUCCESS)
}

/// A link, or a neighbour without one, in the JSON of `peers`.
#[derive(serde::Serialize)]
struct Listed<'a, T> {
    linked: bool,
    #[serde(flatten)]
    info: &'a T,
}

fn links(out: &mut Out, peers: Vec<PeerInfo>) {
    out.shown(format_args!(
        "{:<16} {:<22} {:<9} {:>6} {:>6} {:<8} {:<20} TLS",
        "NAME", "ADDRESS", "DIRECTION", "LAG", "BEHIND", "IN SYNC", "WHY"
    ));
    for peer in &peers {
        let sync = if peer.in_sync { "yes" } else { "no" };
        out.shown(format_args!(
            "{:<16} {:<22} {:<9} {:>6} {:>6} {:<8} {:<20} {} {}{}",
            Foreign::new(&peer.name).name().to_string(),
            peer.addr,
            peer.direction,
            peer.lag,
            peer.behind,
            sync,
            Foreign::new(peer.why.as_deref().unwrap_or("-")).to_string(),
            peer.tls_version,
            peer.tls_group,
            clock(peer.clock_off_s)
        ));
    }
    if let Some(off) = own_clock_suspected(&peers) {
        out.shown(format_args!("our own clock is suspected: most neighbours' are {}", off_by(off)));
    }
}

/// What is said of a neighbour's clock that is off.
fn clock(off_s: i64) -> String {
    if off_s == 0 { String::new() } else { format!("; its clock is {}", off_by(off_s)) }
}

fn off_by(off_s: i64) -> String {
    let by = off_s.unsigned_abs();
    if off_s > 0 { format!("{by} s ahead of ours") } else { format!("{by} s behind ours") }
}

/// Certificates that are outside their dates or soon will be, and who has which revocation list.
fn lists_and_dates(out: &mut Out, peers: &[PeerInfo], info: &Info) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let warn = |out: &mut Out, whose: &str, from, until| {
        if let Some(why) = Standing::of(from, until, now).warning(from, until) {
            out.shown(format_args!("{whose} certificate {why}"));
        }
    };
    warn(out, "our", info.certificate_not_before, info.certificate_not_after);
    for peer in peers {
        warn(out, &format!("{}'s", Foreign::new(&peer.name).name()), 0, peer.certificate_not_after);
    }
    let others = peers.iter().filter(|peer| peer.revocations.is_some_and(|number| number != info.revocations));
    let others: Vec<_> = others
        .map(|peer| format!("{} has {}", Foreign::new(&peer.name).name(), peer.revocations.unwrap_or_default()))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    let (number, issued) = (info.revocations, date(info.revocations_issued));
    if number > 0 {
        out.shown(format_args!("revocation list {number} of {issued}, {}{others}", count(info.revoked_nodes, "node")));
    } else if !others.is_empty() {
        out.shown(format_args!("no revocation list here{others}"));
    }
    if let Some(why) = &info.revocations_file {
        out.shown(format_args!(
            "nothing of the revocation list in our file is in force: {}; if it is the CA's own, see `rumormill certs restore`",
            Foreign::new(why)
        ));
    }
}

pub(crate) fn doors(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let doors = ask(matches, async |mut client| client.doors().await)?;
    if matches.get_flag("json") {
        out.line(json(&doors)?);
        return Ok(ExitCode::SUCCESS);
    }
    if doors.is_empty() {
        out.line("no doors");
        return Ok(ExitCode::SUCCESS);
    }
    out.line(format_args!("{:<16} {:<22} {:>5} {:>8} {:>8}  ALSO", "DOOR", "ADDRESS", "OPEN", "IN", "OUT"));
    for door in doors {
        let count = |name: &str| door.counters.get(name).copied().unwrap_or(0);
        // What everybody has is in the columns; what went wrong is named.
        let usual = ["open", "opened", "messages_in", "messages_out", "bytes_in", "bytes_out", "waiting_out"];
        let also = door.counters.iter().filter(|(name, n)| **n > 0 && !usual.contains(&name.as_str()));
        let also: Vec<_> = also.map(|(name, n)| format!("{name} {n}")).collect();
        let (open, came, went) = (count("open"), count("messages_in"), count("messages_out"));
        out.shown(format_args!(
            "{:<16} {:<22} {open:>5} {came:>8} {went:>8}  {}",
            door.door,
            door.listen,
            also.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn metrics(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let metrics = ask(matches, async |mut client| client.metrics().await)?;
    out.line(json(&metrics)?);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_said_both_ways() {
        assert_eq!(off_by(299), "299 s ahead of ours");
        assert_eq!(off_by(-299), "299 s behind ours");
        assert_eq!((clock(0), clock(-7)), (String::new(), "; its clock is 7 s behind ours".to_owned()));
        assert_eq!(clock(7), "; its clock is 7 s ahead of ours");
    }
}
