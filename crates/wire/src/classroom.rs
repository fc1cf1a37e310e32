//! The classroom proxy interface: what a person types to a proxy, what the proxy says to a process, what comes back.
//!
//! Every line ends with `\n`. [`line_len`] cuts a stream; the parsers take a line without its end.
//!
//! The programs in use split what they read at white space, so what is typed or sent is read as they do: blanks ([`is_blank`])
//! before, behind and between the words are taken, in any number, and so is the mark of UTF-8 (BOM) before them. A CR before
//! the `\n` is a blank like the others; one inside a line is a fault. Written lines have one form, with single spaces.
//!
//! | line | read by |
//! |---|---|
//! | `<id> start <n> <port>`, `<id> start`, `<id> msg <messageID> <message>`, `<id> get chatLog`, `<id> crash`, `exit` | [`ProxyLine`] |
//! | `msg <messageID> <message>`, `get chatLog`, `crash` | [`ProcessLine`] |
//! | `chatLog <message>,<message>,...` | [`ReplyLine`] |
//!
//! Numbers are decimal without leading zeros; a message id is any integer and is kept as it was typed. The message is the rest
//! of its line behind the blanks that follow the id, its inner spaces and commas included. What follows the word `get` is
//! not looked at: whoever asks is answered.

mod blank;
mod fault;

use nom::{
    Parser,
    bytes::complete::{tag, take_while},
    combinator::{opt, rest},
};

pub use blank::is_blank;
pub use fault::{ClassroomError, ClassroomFault};

use crate::parse::{before, ensure, fault, run, utf8};
use crate::plain::plain_char;
use blank::{blanks, trimmed, word};
use fault::Parse;

/// The longest line, its end included, in bytes.
pub const MAX_LINE_LEN: usize = 65_536;
/// The longest message id, in bytes.
pub const MAX_MESSAGE_ID_LEN: usize = 20;
/// How a reply begins.
pub const CHAT_LOG: &str = "chatLog ";
/// The request for the log.
pub const GET_CHAT_LOG: &str = "get chatLog";
/// How a request begins.
pub const GET: &str = "get";
/// How a message begins.
pub const MSG: &str = "msg";
/// How a crash begins; what follows is ignored.
pub const CRASH: &str = "crash";
/// How a start begins, behind its id.
pub const START: &str = "start";
/// The last line: it ends every process, and the proxy.
pub const EXIT: &str = "exit";

/// Bytes of the line that begins here, its end included. `None` asks for more bytes.
///
/// # Errors
/// It is longer than [`MAX_LINE_LEN`], however it may go on.
pub fn line_len(bytes: &[u8]) -> Result<Option<usize>, ClassroomError> {
    let end = bytes.iter().take(MAX_LINE_LEN).position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
    match end {
        None if bytes.len() >= MAX_LINE_LEN => {
            Err(ClassroomError { offset: MAX_LINE_LEN, reason: ClassroomFault::TooLong })
        }
        end => Ok(end),
    }
}

fn parse<'a, T>(line: &'a [u8], parser: impl FnMut(&'a [u8]) -> Parse<'a, T>) -> Result<T, ClassroomError> {
    let error = |(offset, reason)| ClassroomError { offset, reason };
    if line.len() >= MAX_LINE_LEN {
        return Err(error((MAX_LINE_LEN, ClassroomFault::TooLong)));
    }
    if let Some(offset) = line.iter().position(|byte| *byte == b'\n') {
        return Err(error((offset, ClassroomFault::LineEnd)));
    }
    run(line, ClassroomFault::Trailing, parser).map_err(error)
}

/// The same of what a person or a program types: without the blanks around it.
fn parse_typed<'a, T>(line: &'a [u8], parser: impl FnMut(&'a [u8]) -> Parse<'a, T>) -> Result<T, ClassroomError> {
    let (start, typed) = trimmed(line);
    parse(typed, parser).map_err(|why| ClassroomError { offset: why.offset.saturating_add(start), ..why })
}

/// A decimal number in its one form.
fn number<T: core::str::FromStr>(input: &[u8]) -> Parse<'_, T> {
    let (rest, digits) = take_while(|byte: u8| byte.is_ascii_digit()).parse(input)?;
    ensure(matches!(digits, [b'0'] | [b'1'..=b'9', ..]), input, ClassroomFault::Number)?;
    let value = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match value {
        Some(value) => Ok((rest, value)),
        None => fault(input, ClassroomFault::Number),
    }
}

/// An integer as it was typed.
fn message_id(input: &[u8]) -> Parse<'_, &str> {
    let (after_sign, _) = opt(tag("-")).parse(input)?;
    let (rest, digits) = take_while(|byte: u8| byte.is_ascii_digit()).parse(after_sign)?;
    let typed = before(input, rest);
    let fits = !digits.is_empty() && typed.len() <= MAX_MESSAGE_ID_LEN;
    ensure(fits, input, ClassroomFault::MessageId)?;
    Ok((rest, utf8(typed, input, ClassroomFault::MessageId)?))
}

fn text(input: &[u8]) -> Parse<'_, &str> {
    let (end, bytes) = rest.parse(input)?;
    Ok((end, utf8(bytes, input, ClassroomFault::Utf8)?))
}

/// A text that was typed: a CR is no part of one.
fn typed_text(input: &[u8]) -> Parse<'_, &str> {
    if let Some(at) = input.iter().position(|byte| *byte == b'\r') {
        return fault(input.get(at..).unwrap_or_default(), ClassroomFault::LineEnd);
    }
    text(input)
}

/// `<messageID> <message>`.
fn message(input: &[u8]) -> Parse<'_, (&str, &str)> {
    let (at_id, ()) = blanks(input)?;
    let (input, id) = message_id(at_id)?;
    ensure(!input.is_empty(), input, ClassroomFault::NoMessage)?;
    ensure(input.first().copied().is_some_and(is_blank), at_id, ClassroomFault::MessageId)?;
    let (input, ()) = blanks(input)?;
    let (end, text) = typed_text(input)?;
    Ok((end, (id, text)))
}

/// What a process is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessLine<'a> {
    /// Write a message into the log. It has no answer.
    Msg {
        /// An integer, as typed.
        id: &'a str,
        /// The text, as typed, without the blanks around it.
        text: &'a str,
    },
    /// Show the log; answered with one [`ReplyLine`].
    GetChatLog,
    /// End at once. What followed the word is kept.
    Crash {
        /// The rest of the line.
        suffix: &'a str,
    },
}

fn process_line(input: &[u8]) -> Parse<'_, ProcessLine<'_>> {
    let (after, command) = word(input);
    if command == MSG.as_bytes() {
        let (end, (id, text)) = message(after)?;
        return Ok((end, ProcessLine::Msg { id, text }));
    }
    if command == GET.as_bytes() {
        return Ok((&[], ProcessLine::GetChatLog));
    }
    if let Some(input) = input.strip_prefix(CRASH.as_bytes()) {
        let (end, suffix) = typed_text(input)?;
        return Ok((end, ProcessLine::Crash { suffix }));
    }
    fault(input, ClassroomFault::Command)
}

impl<'a> ProcessLine<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// It is no command, or a malformed one: a process stores nothing and says nothing.
    pub fn parse(line: &'a [u8]) -> Result<Self, ClassroomError> {
        parse_typed(line, process_line)
    }

    /// Appends the line with its end.
    ///
    /// # Errors
    /// What the line would hold does not parse; `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ClassroomError> {
        append(out, |out| self.put(out), |line| same(self, &ProcessLine::parse(line)?))
    }

    fn put(&self, out: &mut Vec<u8>) {
        let pieces: &[&str] = match self {
            Self::Msg { id, text } => &[MSG, " ", id, " ", text],
            Self::GetChatLog => &[GET_CHAT_LOG],
            Self::Crash { suffix } => &[CRASH, suffix],
        };
        pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
    }
}

/// What a proxy is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyLine<'a> {
    /// Start a process and connect to its control port.
    Start {
        /// Its number, in decimal without leading zeros; below [`StartPlace::n`] where that is given.
        id: u32,
        /// Of how many, on which control port; chosen by the proxy if not given.
        place: Option<StartPlace>,
    },
    /// Pass a line on to a process.
    To {
        /// The number that it was started under.
        id: u32,
        /// What it is told: the rest of the line.
        line: ProcessLine<'a>,
    },
    /// End all processes, then the proxy.
    Exit,
}

/// The numbers of the long start form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartPlace {
    /// How many processes there are; the id is below it.
    pub n: u32,
    /// Where the process takes [`ProcessLine`]s, on this machine; not 0.
    pub port: u16,
}

/// What follows `<id> start`.
fn place(id: u32, input: &[u8]) -> Parse<'_, Option<StartPlace>> {
    if input.is_empty() {
        return Ok((input, None));
    }
    let (at_n, ()) = blanks(input)?;
    let (input, n) = number::<u32>(at_n)?;
    ensure(id < n, at_n, ClassroomFault::IdRange)?;
    let (input, ()) = blanks(input)?;
    let Ok((end, port @ 1..)) = number::<u16>(input) else {
        return fault(input, ClassroomFault::Port);
    };
    Ok((end, Some(StartPlace { n, port })))
}

fn proxy_line(input: &[u8]) -> Parse<'_, ProxyLine<'_>> {
    if let Some(end) = input.strip_prefix(EXIT.as_bytes()) {
        return Ok((end, ProxyLine::Exit));
    }
    ensure(input.first().is_some_and(u8::is_ascii_digit), input, ClassroomFault::Command)?;
    let (input, id) = number::<u32>(input)?;
    let (command, ()) = blanks(input)?;
    if let (rest, b"start") = word(command) {
        let (end, place) = place(id, rest)?;
        return Ok((end, ProxyLine::Start { id, place }));
    }
    let (end, line) = process_line(command)?;
    Ok((end, ProxyLine::To { id, line }))
}

impl<'a> ProxyLine<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// The place and the reason, for the person who typed it.
    pub fn parse(line: &'a [u8]) -> Result<Self, ClassroomError> {
        parse_typed(line, proxy_line)
    }

    /// Appends the line with its end.
    ///
    /// # Errors
    /// What the line would hold does not parse; `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ClassroomError> {
        append(out, |out| self.put(out), |line| same(self, &ProxyLine::parse(line)?))
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exit => out.extend_from_slice(EXIT.as_bytes()),
            Self::Start { id, place } => {
                put_number(out, *id);
                out.extend_from_slice(b" start");
                if let Some(StartPlace { n, port }) = place {
                    for number in [*n, u32::from(*port)] {
                        out.push(b' ');
                        put_number(out, number);
                    }
                }
            }
            Self::To { id, line } => {
                put_number(out, *id);
                out.push(b' ');
                line.put(out);
            }
        }
    }
}

fn put_number(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Messages as they stand in a reply: rendered once, for any number of replies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenderedMessages(Vec<u8>);

impl RenderedMessages {
    /// Appends the next message. It takes no more than its own bytes and one.
    pub fn push(&mut self, message: &str) {
        self.0.push(b',');
        // A text stays as it was typed; but one from elsewhere may hold what breaks the one line of the reply or moves the
        // cursor of whoever looks at it.
        for c in message.chars().map(plain_char) {
            self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Gives back room that no message took.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Bytes that they take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'m> FromIterator<&'m str> for RenderedMessages {
    fn from_iter<T: IntoIterator<Item = &'m str>>(messages: T) -> Self {
        let mut all = Self::default();
        messages.into_iter().for_each(|message| all.push(message));
        all
    }
}

/// A reply that is written in parts: the log is never in memory as a whole.
#[derive(Debug)]
#[must_use = "a reply without its end is no reply"]
pub struct LogReply {
    first: bool,
}

impl LogReply {
    /// Appends how a reply begins.
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(CHAT_LOG.as_bytes());
        Self { first: true }
    }

    /// Appends messages that were rendered before.
    pub fn messages(&mut self, messages: &RenderedMessages, out: &mut Vec<u8>) {
        // Each stands behind a comma, the first of a reply behind none.
        let skipped = usize::from(self.first && !messages.0.is_empty());
        out.extend_from_slice(messages.0.get(skipped..).unwrap_or_default());
        self.first &= messages.0.is_empty();
    }

    /// Appends the line feed by which the reader knows that the reply is whole.
    pub fn end(self, out: &mut Vec<u8>) {
        out.push(b'\n');
    }
}

/// What a process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The messages with commas between them, as they stand on the line. A comma inside a message cannot be told from one
    /// between two.
    pub payload: &'a str,
}

impl<'a> ReplyLine<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// It is no reply.
    pub fn parse(line: &'a [u8]) -> Result<Self, ClassroomError> {
        parse(line, |input| {
            let Some(payload) = input.strip_prefix(CHAT_LOG.as_bytes()) else {
                return fault(input, ClassroomFault::Command);
            };
            let (end, payload) = text(payload)?;
            Ok((end, ReplyLine { payload }))
        })
    }

    /// Appends the line with its end. It may be longer than [`MAX_LINE_LEN`], which is for requests: a log is as long as
    /// it is.
    pub fn encode_log<'m>(messages: impl IntoIterator<Item = &'m str>, out: &mut Vec<u8>) {
        let mut log = LogReply::begin(out);
        log.messages(&messages.into_iter().collect(), out);
        log.end(out);
    }

    /// Appends the line with its end.
    ///
    /// # Errors
    /// The payload holds a line end; `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ClassroomError> {
        let put = |out: &mut Vec<u8>| {
            out.extend_from_slice(CHAT_LOG.as_bytes());
            out.extend_from_slice(self.payload.as_bytes());
        };
        append(out, put, |line| ReplyLine::parse(line).map(drop))
    }
}

/// Whether a written line reads as what was written: a text that begins or ends with a blank has no line.
fn same<T: PartialEq>(wanted: &T, read: &T) -> Result<(), ClassroomError> {
    let differs = ClassroomError { offset: 0, reason: ClassroomFault::Blank };
    if wanted == read { Ok(()) } else { Err(differs) }
}

/// Appends what `put` writes and a line end, if the line parses.
fn append(
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>),
    check: impl FnOnce(&[u8]) -> Result<(), ClassroomError>,
) -> Result<(), ClassroomError> {
    let start = out.len();
    put(out);
    match check(out.get(start..).unwrap_or_default()) {
        Ok(()) => {
            out.push(b'\n');
            Ok(())
        }
        Err(why) => {
            out.truncate(start);
            Err(why)
        }
    }
}

#[cfg(test)]
mod tests;
