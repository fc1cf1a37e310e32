//! The menu chat: one line of text a message, `<ip>:<port> <team> <message>`, where the address is the one the sender
//! listens on. Some programs put it in angle brackets, with the receiver's address and their own port.
//!
//! A message has no mark at its end that all programs use: [`message_len`] says which bytes are one, [`trim`] takes away
//! what is not part of it, [`Line::parse`] reads it. What does not parse is a text of an unknown sender.
//!
//! The datagram [`WHO_IS_ONLINE`] is answered with addresses, one a line: [`Online`]. Over the mesh the same chat has lines of
//! another form: [`mesh`].

mod address;
mod fault;
pub mod mesh;
mod online;

use core::net::SocketAddr;

use nom::FindSubstring;

pub use fault::{PeerLineEncodeError, PeerLineError, PeerLineFault};
pub use online::{MAX_ANSWER_LEN, Online};

use crate::parse::{fault, run, utf8};
use address::{AddressText, Parse, address, after, check};

/// A message with its line end, in bytes, when reading.
pub const MAX_MESSAGE_LEN: usize = 32_768;
/// What the programs read of a message, in bytes.
pub const READ_LEN: usize = 1_024;
/// The text by which a peer leaves, in any case.
pub const EXIT: &str = "exit";
/// The same from those who write brackets.
pub const QUIT: &str = "quit";
/// A text that only says that its sender is there.
pub const CONNECT: &str = "connect";
/// What other programs send instead of [`CONNECT`].
pub const HANDSHAKE: &str = "handshake";
/// The question, in a datagram.
pub const WHO_IS_ONLINE: &str = "Who is online?";

/// Digits of the highest port.
const MAX_PORT_LEN: usize = 5;

/// Where the sender listens, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// `ip:port`: there.
    Plain(SocketAddr),
    /// `<ip:port>`: on that port; the address is the receiver's.
    Bracketed(SocketAddr),
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where the sender listens.
    pub sender: Sender,
    /// One word, possibly empty; `None` where only one word follows the address.
    pub team: Option<&'a str>,
    /// What the message says, behind address and team.
    pub text: &'a str,
}

/// Bytes of the message that begins here, its line end included. `ended` says that no more will come for now: end of the
/// stream, or a pause. `None` asks for more bytes.
///
/// # Errors
/// It is longer than [`MAX_MESSAGE_LEN`], however it may go on.
pub fn message_len(bytes: &[u8], ended: bool) -> Result<Option<usize>, PeerLineError> {
    let line = bytes.find_substring("\n").map(|at| at.saturating_add(1));
    let len = line.or(ended.then_some(bytes.len()));
    if len.unwrap_or(bytes.len()) > MAX_MESSAGE_LEN {
        return Err(PeerLineError { offset: MAX_MESSAGE_LEN, reason: PeerLineFault::Length });
    }
    Ok(len.filter(|len| *len > 0))
}

/// The message without the white space around it, and without the NULs of those who send their whole buffer.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let around = |b: &u8| b.is_ascii_whitespace() || matches!(b, 0 | 0x0b);
    let start = bytes.iter().position(|b| !around(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !around(b)).map_or(start, |at| at.saturating_add(1));
    bytes.get(start..end).unwrap_or_default()
}

/// The port that a message consists of, as one program opens its connections.
#[must_use]
pub fn bare_port(message: &[u8]) -> Option<u16> {
    ((1..=MAX_PORT_LEN).contains(&message.len()) && message.iter().all(u8::is_ascii_digit)).then_some(())?;
    let port = core::str::from_utf8(message).ok()?.parse().ok()?;
    (port > 0 && !message.starts_with(b"0")).then_some(port)
}

/// Whether a text only says that its sender is there.
#[must_use]
pub fn is_greeting(text: &str) -> bool {
    [CONNECT, HANDSHAKE].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Whether a datagram asks who is online. It may be padded: the longer the question, the longer the answer may be.
#[must_use]
pub fn is_question(datagram: &[u8]) -> bool {
    trim(datagram) == WHO_IS_ONLINE.as_bytes()
}

impl<'a> Line<'a> {
    /// Reads one whole message.
    ///
    /// # Errors
    /// It does not have that form: a text whose sender is unknown.
    pub fn parse(message: &'a [u8]) -> Result<Self, PeerLineError> {
        if message.len() > MAX_MESSAGE_LEN {
            return Err(PeerLineError { offset: MAX_MESSAGE_LEN, reason: PeerLineFault::Length });
        }
        run(message, PeerLineFault::Trailing, line).map_err(|(offset, reason)| PeerLineError { offset, reason })
    }

    /// Appends the message without a line end.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PeerLineEncodeError> {
        let mut head = AddressText::new();
        let (Sender::Plain(addr) | Sender::Bracketed(addr)) = self.sender;
        check(addr.port() > 0 && head.set(addr).is_ok(), PeerLineFault::Address)?;
        let (open, close) = if matches!(self.sender, Sender::Bracketed(_)) { ("<", ">") } else { ("", "") };
        let (team, space) = self.team.map_or(("", ""), |team| (team, " "));
        check(!team.contains([' ', '\n']), PeerLineFault::Team)?;
        check(self.team.is_some() || !self.text.contains(' '), PeerLineFault::Team)?;
        check(!self.text.contains('\n'), PeerLineFault::Newline)?;
        let parts = [open, head.as_str(), close, " ", team, space, self.text];
        let len = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        check(len <= MAX_MESSAGE_LEN, PeerLineFault::Length)?;
        parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        Ok(())
    }

    /// Whether the sender leaves by this.
    #[must_use]
    pub fn is_exit(&self) -> bool {
        let bracketed = matches!(self.sender, Sender::Bracketed(_));
        is_exit(self.text) || bracketed && self.text.trim().eq_ignore_ascii_case(QUIT)
    }
}

/// Whether somebody leaves by this text.
#[must_use]
pub fn is_exit(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(EXIT)
}

fn line(input: &[u8]) -> Parse<'_, Line<'_>> {
    let (at_space, sender) = sender(input)?;
    let Some(at_rest) = after(" ", at_space) else { return fault(at_space, PeerLineFault::NoText) };
    if let Some(newline) = at_rest.find_substring("\n") {
        return fault(at_rest.get(newline..).unwrap_or_default(), PeerLineFault::Newline);
    }
    let rest = utf8(at_rest, at_rest, PeerLineFault::Utf8)?;
    let (team, text) = rest.split_once(' ').map_or((None, rest), |(team, text)| (Some(team), text));
    Ok((&[], Line { sender, team, text }))
}

/// Where the sender listens, up to the space.
fn sender(input: &[u8]) -> Parse<'_, Sender> {
    let Some(inside) = after("<", input) else {
        let (rest, addr) = address(input)?;
        return Ok((rest, Sender::Plain(addr)));
    };
    let (rest, addr) = address(inside)?;
    let Some(rest) = after(">", rest) else { return fault(rest, PeerLineFault::Bracket) };
    Ok((rest, Sender::Bracketed(addr)))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
