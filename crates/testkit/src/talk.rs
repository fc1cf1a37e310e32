//! A node's local socket without a program between, and what its log has shown.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// A connection to a node's socket: one JSON object a line each way.
#[derive(Debug)]
pub struct Talk(BufReader<UnixStream>);

impl Talk {
    /// Connects, and waits for each answer so long at most.
    pub fn to(socket: &Path, patience: Duration) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks for the log and what comes then.
    pub fn follow(&mut self) -> std::io::Result<()> {
        self.put(&json!({"do": "log", "follow": true}))
    }

    fn put(&mut self, request: &Value) -> std::io::Result<()> {
        writeln!(self.0.get_mut(), "{request}")
    }

    fn next(&mut self) -> std::io::Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Sends a message; gives where it was written once it is durable.
    pub fn send(&mut self, text: &str) -> std::io::Result<Value> {
        self.put(&json!({"do": "send", "text": text}))?;
        let mut reply = self.next()?;
        if reply["sent"].is_null() {
            return Err(std::io::Error::other(reply.to_string()));
        }
        Ok(reply["sent"].take())
    }

    /// The next message that it is told.
    pub fn line(&mut self) -> std::io::Result<Value> {
        Ok(self.next()?["line"].take())
    }

    /// The same; `None` if it was too slow for some.
    pub fn line_unless_missed(&mut self) -> std::io::Result<Option<Value>> {
        let mut reply = self.next()?;
        Ok(reply["missed"].is_null().then(|| reply["line"].take()))
    }

    /// The whole log.
    pub fn log(&mut self) -> std::io::Result<Vec<Value>> {
        self.put(&json!({"do": "log"}))?;
        self.lines()
    }

    /// A figure; 0 if there is none of this name.
    pub fn metric(&mut self, name: &str) -> std::io::Result<u64> {
        self.put(&json!({"do": "metrics"}))?;
        Ok(self.next()?["metrics"][name].as_u64().unwrap_or(0))
    }

    /// The last lines of the common room.
    pub fn last(&mut self, count: usize) -> std::io::Result<Vec<Value>> {
        self.put(&json!({"do": "log", "room": "", "last": count}))?;
        self.lines()
    }

    fn lines(&mut self) -> std::io::Result<Vec<Value>> {
        let mut lines = Vec::new();
        loop {
            let mut reply = self.next()?;
            match reply["line"].take() {
                Value::Null if reply["end"].is_null() => return Err(std::io::Error::other(reply.to_string())),
                Value::Null => return Ok(lines),
                line => lines.push(line),
            }
        }
    }
}

/// Everything that was ever shown, by its place: a place never holds two texts.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<(String, u64, u64), String>);

impl Seen {
    /// Takes lines in, and sees that no place has changed its text.
    pub fn take(&mut self, lines: &[Value]) {
        for line in lines {
            let text = line["text"].as_str().unwrap().to_owned();
            let was = self.0.entry(place(line)).or_insert_with(|| text.clone());
            assert_eq!(*was, text, "one place, two messages: {line}");
        }
    }

    /// How many places there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Origin, incarnation and number of a shown or sent message.
pub fn place(line: &Value) -> (String, u64, u64) {
    (line["origin"].as_str().unwrap().to_owned(), line["incarnation"].as_u64().unwrap(), line["seq"].as_u64().unwrap())
}
