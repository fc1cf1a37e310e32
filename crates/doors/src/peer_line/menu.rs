//! The menu chat for a person, or for a pipe: its exact words, over the plain format or anything else that can carry lines.
//!
//! Nothing is echoed: a terminal does that itself, and through a pipe the prompts stand one after the other, as with the
//! other programs of this chat. What arrives is printed at once on a line of its own, and what was on the screen before it
//! is printed again below. The end of the input is the choice to quit.

mod plain;
mod transport;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::one_word;
use crate::cut;
use crate::error::DoorError;
use crate::lines::Lines;
use crate::peer_line::config::KIND;
pub use plain::{Plain, PlainTransport};
pub use transport::{Arrived, MAX_ARRIVED, Open, Sent, Transport};

/// A line that is typed, in bytes; what goes beyond is left out.
const MAX_LINE_LEN: usize = 32_768;

// What the legacy program says, to the letter.
const NAME: &str = "Enter your name: ";
const PORT: &str = "Enter your port number: ";
const MENU: &str = "***** Menu *****\n1. Send message\n2. Query active peers\n3. Connect to active peers\n0. Quit\n";
const CHOICE: &str = "Enter choice: ";
const TO_IP: &str = "Enter the recipient's IP address: ";
const TO_PORT: &str = "Enter the recipient's port number: ";
const MESSAGE: &str = "Enter your message: ";
const NOBODY: &str = "No connected Peers\n";

/// The menu over the plain format.
///
/// # Errors
/// The port cannot be listened on, or the output is gone.
pub async fn menu(
    options: Plain,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<(), DoorError> {
    menu_over(options, input, output).await
}

/// The menu over any transport.
///
/// # Errors
/// The transport does not open or breaks, or the output is gone.
pub async fn menu_over(
    open: impl Open,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<(), DoorError> {
    let (_keep, silent) = mpsc::channel(1);
    let mut screen = Screen { input: Lines::new(input, MAX_LINE_LEN), output, arrived: silent, block: "", prompt: "" };
    let Some(name) = screen.name().await? else { return screen.say("Exiting\n").await };
    let Some(port) = screen.port().await? else { return screen.say("Exiting\n").await };
    let (mut transport, arrived) = open.open(&name, port).await?;
    screen.arrived = arrived;
    screen.say(&format!("Server listening on port {port}\n")).await?;
    let served = screen.serve(&mut transport).await;
    // However it ended: the others are told. What arrives now comes too late.
    transport.leave().await;
    served
}

/// The terminal or the pipes.
struct Screen<I, O> {
    input: Lines<I>,
    output: O,
    arrived: Arrived,
    /// What stands above the prompt that waits for an answer.
    block: &'static str,
    /// The prompt that waits for an answer; empty if none does.
    prompt: &'static str,
}

impl<I: AsyncBufRead + Unpin, O: AsyncWrite + Unpin> Screen<I, O> {
    async fn say(&mut self, text: &str) -> Result<(), DoorError> {
        let failed = |why| DoorError::io(KIND, "write to", "the output")(why);
        self.output.write_all(text.as_bytes()).await.map_err(failed)?;
        self.output.flush().await.map_err(failed)
    }

    /// Asks, and waits for a line of input; `None` at its end.
    async fn ask(&mut self, block: &'static str, prompt: &'static str) -> Result<Option<String>, DoorError> {
        self.say(block).await?;
        self.say(prompt).await?;
        (self.block, self.prompt) = (block, prompt);
        let line = loop {
            tokio::select! {
                Some(line) = self.arrived.recv() => self.show(line).await?,
                line = self.input.next() => break line,
            }
        };
        (self.block, self.prompt) = ("", "");
        line.map_err(DoorError::io(KIND, "read from", "the input"))
    }

    /// A line of its own; then what waits for an answer once more.
    async fn show(&mut self, line: Result<String, DoorError>) -> Result<(), DoorError> {
        let end = if self.prompt.is_empty() { "" } else { "\n" };
        let text = match &line {
            Ok(lines) => {
                let lines: Vec<_> = lines.split('\n').map(cut::shown).collect();
                format!("{end}{}\n{}{}", lines.join("\n"), self.block, self.prompt)
            }
            Err(_) => end.to_owned(),
        };
        self.say(&text).await?;
        line.map(drop)
    }

    /// Shows what arrives while something is done.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, DoorError> {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                Some(line) = self.arrived.recv() => self.show(line).await?,
                done = &mut work => break done,
            }
        };
        for _ in 0..MAX_ARRIVED {
            let Ok(line) = self.arrived.try_recv() else { break };
            self.show(line).await?;
        }
        Ok(done)
    }

    async fn name(&mut self) -> Result<Option<String>, DoorError> {
        while let Some(line) = self.ask("", NAME).await? {
            let name = one_word(&line);
            if (1..=super::MAX_TEAM_LEN).contains(&name.len()) {
                return Ok(Some(name));
            }
            self.say(&format!("A name has 1 to {} bytes\n", super::MAX_TEAM_LEN)).await?;
        }
        Ok(None)
    }

    async fn port(&mut self) -> Result<Option<u16>, DoorError> {
        while let Some(line) = self.ask("", PORT).await? {
            if let Some(port) = port(&line) {
                return Ok(Some(port));
            }
            self.say("A port is a number from 1 to 65535\n").await?;
        }
        Ok(None)
    }

    async fn serve(&mut self, transport: &mut impl Transport) -> Result<(), DoorError> {
        while let Some(line) = self.ask(MENU, CHOICE).await? {
            match line.trim() {
                "1" => {
                    if !self.send(transport).await? {
                        break;
                    }
                }
                "2" => self.query(transport).await?,
                "3" => self.connect(transport).await?,
                "0" => break,
                other if other.starts_with(QUESTION) => self.who(transport, other).await?,
                _ => self.say("Invalid choice: give 1, 2, 3 or 0\n").await?,
            }
        }
        self.say("Exiting\n").await
    }

    /// False at the end of the input.
    async fn send(&mut self, transport: &mut impl Transport) -> Result<bool, DoorError> {
        // All three are asked before any is judged, so that piped answers stay in step with the questions.
        let Some(to) = self.ask("", TO_IP).await? else { return Ok(false) };
        let Some(at) = self.ask("", TO_PORT).await? else { return Ok(false) };
        let Some(text) = self.ask("", MESSAGE).await? else { return Ok(false) };
        let (to, at, text) = (to.trim(), at.trim(), text.trim());
        let said = match (to.parse::<IpAddr>(), port(at)) {
            (Err(_), _) => format!("Invalid IP address: {}\n", shown(to)),
            (_, None) => format!("Invalid port number: {}\n", shown(at)),
            _ if text.is_empty() => "An empty message is not sent\n".to_owned(),
            (Ok(ip), Some(port)) => {
                let to = SocketAddr::new(ip, port);
                let sent = transport.send(to, text);
                match self.meanwhile(sent).await? {
                    Ok(Sent { cut: false }) => String::new(),
                    Ok(Sent { cut: true }) => "The message is longer than peers can read; it was cut\n".to_owned(),
                    Err(why) => format!("Could not send to {to}: {}\n", shown(&why)),
                }
            }
        };
        self.say(&said).await?;
        Ok(true)
    }

    async fn query(&mut self, transport: &mut impl Transport) -> Result<(), DoorError> {
        let peers = self.meanwhile(transport.peers()).await?;
        if peers.is_empty() {
            return self.say(NOBODY).await;
        }
        let mut text = "Connected Peers:\n".to_owned();
        for (n, peer) in (1..).zip(peers) {
            text.push_str(&format!("{n}. {peer}\n"));
        }
        self.say(&text).await
    }

    async fn connect(&mut self, transport: &mut impl Transport) -> Result<(), DoorError> {
        let reached = self.meanwhile(transport.connect()).await?;
        if reached.is_empty() {
            return self.say(NOBODY).await;
        }
        let line = |(peer, reached): (SocketAddr, Result<(), String>)| match reached {
            Ok(()) => format!("Connected to {peer}\n"),
            Err(why) => format!("Could not connect to {peer}: {}\n", shown(&why)),
        };
        let text: String = reached.into_iter().map(line).collect();
        self.say(&text).await
    }

    /// `Who is online?`, alone or with the address of whom to ask.
    async fn who(&mut self, transport: &mut impl Transport, line: &str) -> Result<(), DoorError> {
        let whom = line.strip_prefix(QUESTION).unwrap_or_default().trim();
        let asked = match (whom, whom.parse()) {
            ("", _) => self.meanwhile(transport.ask(None)).await?,
            (_, Ok(whom)) => self.meanwhile(transport.ask(Some(whom))).await?,
            _ => Err(format!("{} is no address with its port", shown(whom))),
        };
        match asked {
            Ok(()) => Ok(()),
            Err(why) => self.say(&format!("Could not ask: {}\n", shown(&why))).await,
        }
    }
}

/// The choice that stands on no screen.
const QUESTION: &str = rumormill_wire::peer_line::WHO_IS_ONLINE;

fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port > 0)
}

/// What was typed, without what would move the cursor.
fn shown(text: &str) -> String {
    rumormill_wire::Foreign::new(text).to_string()
}
