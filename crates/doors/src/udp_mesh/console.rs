//! A peer on a terminal: it joins a directory, shows what comes and sends what is typed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rumormill_wire::Foreign;
use rumormill_wire::udp_mesh::{NameChar, extended::is_name};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

use super::config::{Config, DEFAULT_HEARTBEAT, DEFAULT_REAP, DIRECTORY_PORT, KIND, Role};
use super::peer::{Input, Tell};
use super::station::{Station, StationEvent};
use crate::cut::shown as safe;
use crate::error::DoorError;
use crate::lines::Lines;
use crate::spec::SpecError;

/// A typed line, in bytes. What is longer is cut.
const MAX_LINE_LEN: usize = 65_536;
/// What was typed last goes out for so long after the end.
const LINGER: Duration = Duration::from_secs(1);
/// Between two broadcasts, as legacy peers make them.
const BROADCAST: Duration = Duration::from_secs(4);

/// What can be typed: the answer to `help`, and to what is no command.
const HELP: &str = "connect | disconnect | broadcast on|off | send TEXT | send NAME TEXT | peers | help | quit";

/// What the person asks for: who to be in the mesh, and where.
#[derive(Debug, Clone)]
pub struct MeshConsoleOptions {
    /// Where the directory listens.
    pub directory: SocketAddr,
    /// One character, or up to 64 bytes: then the extended form is spoken, which only our own directories know.
    pub name: String,
    /// Where the peer takes texts.
    pub listen: SocketAddr,
    /// Whether to broadcast every four seconds from the start, as legacy peers do.
    pub broadcast: bool,
}

impl Default for MeshConsoleOptions {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { directory: local(DIRECTORY_PORT), name: "Z".to_owned(), listen: local(3_005), broadcast: false }
    }
}

impl MeshConsoleOptions {
    fn config(self) -> Result<Config, DoorError> {
        let one = self.name.chars().count() == 1;
        if !is_name(&self.name) || one && !self.name.chars().all(|c| NameChar::new(c).is_some()) {
            let reason = format!("`{}` is no name: one printable ASCII character, or 2 to 64 bytes", safe(&self.name));
            return Err(SpecError { door: KIND.to_owned(), reason }.into());
        }
        Ok(Config {
            listen: self.listen,
            role: Role::Peer { join: self.directory, name: self.name },
            heartbeat: DEFAULT_HEARTBEAT,
            reap: DEFAULT_REAP,
            broadcast: self.broadcast.then_some(BROADCAST),
            state: None,
            members: 0,
            by_address: 0,
        })
    }
}

/// Runs until `quit` or the end of the input.
///
/// # Errors
/// The name is none, the port cannot be bound, or the terminal is gone.
pub async fn console(
    options: MeshConsoleOptions,
    input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Result<(), DoorError> {
    let mut station = Station::bind(&options.config()?).await?;
    let mut lines = Lines::new(input, MAX_LINE_LEN);
    let terminal = |why| DoorError::io(KIND, "write to", "the terminal")(why);
    let hello = format!("{} on {}, directory {}", name(&station), station.local_addr(), directory(&station));
    say(&mut output, &hello).await.map_err(terminal)?;
    // What is typed waits until the directory has answered or is known not to: the first text has somebody to go to.
    let mut asks = true;
    loop {
        let answer = tokio::select! {
            event = station.event() => {
                asks &= !matches!(event, StationEvent::Tell(_));
                shown(&station, &event)
            }
            line = lines.next(), if !asks => {
                let line = line.map_err(DoorError::io(KIND, "read", "the terminal"))?;
                match line.as_deref().map(str::trim) {
                    None | Some("quit") => break,
                    Some("") => continue,
                    Some(line) => {
                        asks = line == "connect" && station.peer().is_idle();
                        obey(&mut station, line)
                    }
                }
            }
        };
        say(&mut output, &answer).await.map_err(terminal)?;
    }
    let _ = tokio::time::timeout(LINGER, async {
        while station.is_busy() {
            station.event().await;
        }
    })
    .await;
    station.leave();
    Ok(())
}

async fn say(output: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    // Lines of ours; what stands in one is never a line of its own.
    let text: String = text.split('\n').map(|line| format!("{}\n", safe(line))).collect();
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}

fn name(station: &Station) -> &str {
    &station.peer().settings().name
}

fn directory(station: &Station) -> SocketAddr {
    station.peer().settings().directory
}

/// What an event looks like. Nothing from outside moves the cursor.
fn shown(station: &Station, event: &StationEvent) -> String {
    match event {
        StationEvent::Text { claimed, text, .. } => format!("{}: {}", Foreign::new(claimed).name(), safe(text)),
        StationEvent::Tell(Tell::Registered) => {
            format!("registered as {}; {} others are listed", name(station), station.peer().peers().len())
        }
        StationEvent::Tell(Tell::LeftOut) => {
            format!(
                "{} is in no directory: {} is taken there, or nobody listens on {}; BIRTH is sent again",
                name(station),
                name(station),
                directory(station)
            )
        }
        StationEvent::Tell(Tell::Refused(why)) => format!("not taken: {why}"),
        StationEvent::Tell(Tell::Lost) => "no longer in the directory; BIRTH is sent again".to_owned(),
    }
}

fn obey(station: &mut Station, line: &str) -> String {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (command, rest.trim()) {
        ("connect", "") => {
            station.feed(Input::Connect);
            "connecting".to_owned()
        }
        ("disconnect", "") => {
            station.feed(Input::Disconnect);
            "disconnected: the directory drops a peer that is silent".to_owned()
        }
        ("broadcast", state @ ("on" | "off")) => {
            station.feed(Input::Broadcast { every: (state == "on").then_some(BROADCAST) });
            format!("broadcast {state}")
        }
        ("send", text) if !text.is_empty() => send(station, text),
        ("peers", "") => {
            let listed =
                station.peer().peers().iter().map(|(addr, peer)| format!("{} {addr}", Foreign::new(&peer.name).name()));
            let listed: Vec<_> = listed.collect();
            if listed.is_empty() { "no peers".to_owned() } else { listed.join("\n") }
        }
        ("help", "") => HELP.to_owned(),
        _ => format!("no such command: {}; {HELP}", safe(line)),
    }
}

/// To one, if the first word is the name of a peer; else to all.
fn send(station: &mut Station, text: &str) -> String {
    let one = text.split_once(' ').filter(|(name, _)| station.peer().peers().values().any(|peer| peer.name == *name));
    match one {
        Some((name, text)) => {
            station.send(None, text.trim(), |_, peer| peer == name, None);
            format!("sent to {}", Foreign::new(name).name())
        }
        None => match station.send(None, text, |_, _| true, None) {
            0 => "nobody is there".to_owned(),
            count => format!("sent to all, {count}"),
        },
    }
}
