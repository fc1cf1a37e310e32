//! From an event to a line that was written, or counted as left out.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use rumormill_api::utc;
use rumormill_wire::Foreign;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};

use super::limit::{Ask, Callsite, LeftOut, Limiter};
use super::record::LogRecord;
use crate::config::LogFormat;
use crate::lock;

/// Characters of a message or a reason by which lines are counted.
const MAX_KEY: usize = 100;

/// The log of a process.
#[derive(Debug)]
pub(crate) struct Log<W> {
    format: LogFormat,
    colour: bool,
    writer: W,
    begun: Instant,
    limiter: Mutex<Limiter>,
}

impl<W: for<'a> MakeWriter<'a>> Log<W> {
    pub(crate) fn new(format: LogFormat, colour: bool, writer: W) -> Self {
        Self { format, colour, writer, begun: Instant::now(), limiter: Mutex::default() }
    }

    fn line(&self, record: &LogRecord, level: Level, target: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = utc(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        match self.format {
            LogFormat::Human => record.human(level, &time, self.colour),
            LogFormat::Json => record.json(level, &time, target),
        }
    }

    fn write(&self, line: &str) {
        // Nobody who reads the log is no reason to do less.
        let _ = self.writer.make_writer().write_all(line.as_bytes());
    }

    fn event(&self, event: &Event<'_>) {
        let (meta, record) = (event.metadata(), LogRecord::of(event));
        let level = *meta.level();
        let line = self.line(&record, level, meta.target());
        // What is kept for counting is bounded too.
        let short = |text: &str| Foreign::new(text).first(MAX_KEY).to_string();
        let (message, reason, subject) = (short(record.message()), short(record.reason()), record.subject());
        let ask = Ask {
            callsite: Callsite(meta.file().map_or(0, |file| file.as_ptr().addr()), meta.line().unwrap_or(0)),
            message: &message,
            reason: &reason,
            subject: &subject,
            bytes: line.len(),
            error: level == Level::ERROR,
            debug: level > Level::INFO,
        };
        let (written, summary) = {
            let (mut limiter, now) = (lock(&self.limiter), self.begun.elapsed());
            (limiter.take(&ask, now), limiter.summary(now, false))
        };
        self.say_left_out(summary);
        if written {
            self.write(&line);
        }
    }

    /// Says what was left out, if it is time for it or `at_once`.
    pub(crate) fn tell_left_out(&self, at_once: bool) {
        let summary = lock(&self.limiter).summary(self.begun.elapsed(), at_once);
        self.say_left_out(summary);
    }

    fn say_left_out(&self, summary: Vec<LeftOut>) {
        for LeftOut { lines, message, reason, subjects, most, within } in summary {
            let mut fields = vec![("lines", lines.to_string()), ("of", message)];
            fields.extend((!reason.is_empty()).then_some(("reason", reason)));
            fields.extend(about(subjects, &most));
            fields.push(("in_s", within.as_secs().to_string()));
            let line = self.line(&LogRecord::say("lines were left out", fields), Level::WARN, module_path!());
            self.write(&line);
        }
    }

    pub(crate) fn left_out(&self) -> u64 {
        lock(&self.limiter).left_out
    }
}

/// The one that they were about; or how many those were, and who of them had more than one.
fn about(subjects: u64, most: &[(u64, String)]) -> Vec<(&'static str, String)> {
    match most {
        [(_, subject)] if subjects == 1 && subject.is_empty() => Vec::new(),
        [(_, subject)] if subjects == 1 => vec![("subject", subject.clone())],
        _ => {
            let named = most.iter().filter(|(lines, subject)| *lines > 1 && !subject.is_empty());
            let named: Vec<_> = named.map(|(lines, subject)| format!("{subject} ({lines})")).collect();
            let mut fields = vec![("subjects", subjects.to_string())];
            fields.extend((!named.is_empty()).then(|| ("most", named.join(", "))));
            fields
        }
    }
}

/// A log as a layer of the process's subscriber.
pub(crate) struct LogLayer<W>(pub(crate) Arc<Log<W>>);

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for LogLayer<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.event(event);
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
