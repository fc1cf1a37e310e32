//! One event as one line. Nothing that stands in a field or a message, whoever chose it, makes a second line, moves a cursor,
//! looks like another field, or is longer than [`MAX_SHOWN`] characters.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use rumormill_transport::admission::prefix;
use rumormill_wire::Foreign;
use rumormill_wire::foreign::{MAX_SHOWN, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Characters of what a line says before its fields.
const MAX_MESSAGE: usize = 500;
/// Fields of a line; those behind are left out.
const MAX_FIELDS: usize = 16;
/// Fields that say whom a line is about, the first of them that there is.
const SUBJECTS: [&str; 11] =
    ["peer", "node", "neighbour", "door", "from", "to", "origin", "ip", "addr", "client", "subject"];

/// A value as JSON has them.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Plain(String),
}

/// A line of the log before it is written: what an event of `tracing` says.
#[derive(Debug, Default)]
pub(crate) struct LogRecord {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl LogRecord {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut record = Self::default();
        event.record(&mut record);
        record
    }

    pub(crate) fn say(message: &str, fields: Vec<(&'static str, String)>) -> Self {
        let fields = fields.into_iter().map(|(name, text)| (name, Value::Text(text))).collect();
        Self { message: message.to_owned(), fields }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| *found == name).map(|(_, value)| match value {
            Value::Text(text) | Value::Plain(text) => text.as_str(),
        })
    }

    /// Why, if it says so.
    pub(crate) fn reason(&self) -> &str {
        self.text("reason").or_else(|| self.text("why")).or_else(|| self.text("error")).unwrap_or_default()
    }

    /// Whom it is about. Addresses count by their prefix, for one stranger has many.
    pub(crate) fn subject(&self) -> String {
        let Some(text) = SUBJECTS.iter().find_map(|name| self.text(name)) else { return String::new() };
        let addr = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|addr| addr.ip()));
        match addr.map(|addr| (addr, prefix(addr))) {
            Ok((addr, _)) if addr.is_loopback() => addr.to_string(),
            Ok((_, IpAddr::V4(net))) => format!("{net}/24"),
            Ok((_, IpAddr::V6(net))) => format!("{net}/48"),
            Err(_) => Foreign::new(text).to_string(),
        }
    }

    /// One line for people, without its end.
    pub(crate) fn human(&self, level: Level, time: &str, colour: bool) -> String {
        let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let shade = match level {
            _ if !colour => "",
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            Level::DEBUG => "\x1b[34m",
            Level::TRACE => "\x1b[35m",
        };
        let message = Foreign::new(&self.message).first(MAX_MESSAGE);
        let mut line = format!("{dim}{time}{plain} {shade}{level:>5}{plain} {message}");
        for (name, value) in &self.fields {
            let _ = write!(line, " {dim}{name}={plain}");
            let _ = match value {
                Value::Plain(text) => line.write_str(text),
                Value::Text(text) if is_simple(text) => write!(line, "{}", Foreign::new(text)),
                Value::Text(text) => write!(line, "{}", Foreign::new(text).quoted()),
            };
        }
        line.push('\n');
        line
    }

    /// For programs: one object a line.
    pub(crate) fn json(&self, level: Level, time: &str, target: &str) -> String {
        let text = |text: &str| serde_json::to_string(&cut(text)).unwrap_or_else(|_| "\"\"".to_owned());
        let mut line = format!("{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":{}", text(&self.message));
        for (name, value) in &self.fields {
            let value = match value {
                Value::Plain(plain) => plain.clone(),
                Value::Text(found) => text(found),
            };
            let _ = write!(line, ",{}:{value}", text(name));
        }
        let _ = write!(line, ",\"target\":{}}}", text(target));
        let mut line = json(&line).into_owned();
        line.push('\n');
        line
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Plain(text)) => self.message = text,
            // What the bridge to the `log` crate adds.
            (name, _) if name.starts_with("log.") => {}
            (name, value) if self.fields.len() < MAX_FIELDS => self.fields.push((name, value)),
            _ => {}
        }
    }
}

/// Text that needs no quotation marks: it cannot be taken for another field.
fn is_simple(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '=', '"']) && !text.chars().any(char::is_whitespace)
}

/// The beginning of a text, and how many characters are missing.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (head, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            format!("{head}\u{2026}(+{})", rest.chars().count())
        }
    }
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(value.to_owned()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Plain(value.to_string()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Plain(value.to_string()));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Plain(value.to_string()));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::Text(value.to_string()));
    }
}
