//! Lines in and out, in time and in bounds.

use std::io;
use std::time::Duration;

use rumormill_api::{MAX_LINE, Reply};
use rumormill_wire::foreign::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// To take what is written; one that reads nothing for so long is let go.
    pub write: Duration,
    /// To say the first request, and to end a line that has begun.
    pub request: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { write: Duration::from_secs(30), request: Duration::from_secs(30) }
    }
}

/// What goes to a client.
pub(super) struct Out {
    to: BufWriter<OwnedWriteHalf>,
    deadline: Duration,
}

impl Out {
    pub(super) fn new(to: OwnedWriteHalf, times: Times) -> Self {
        Self { to: BufWriter::new(to), deadline: times.write }
    }

    pub(super) async fn put(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_string(reply).map_err(io::Error::other)?;
        line.push('\n');
        // The same values, and a terminal at the other end obeys nobody.
        let line = json(&line);
        let written = timeout(self.deadline, self.to.write_all(line.as_bytes())).await;
        written.map_err(|_| slow("took nothing", self.deadline))?
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        timeout(self.deadline, self.to.flush()).await.map_err(|_| slow("took nothing", self.deadline))?
    }

    pub(super) async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.put(reply).await?;
        self.flush().await
    }
}

fn slow(what: &str, time: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("it {what} for {} s", time.as_secs_f32()))
}

/// A line without its end; `None` at the end of the stream. It has to begin within the one time, if one is given, and to end
/// within the other.
pub(super) async fn next_line(
    lines: &mut BufReader<OwnedReadHalf>,
    begins: Option<Duration>,
    ends: Duration,
) -> io::Result<Option<Vec<u8>>> {
    if let Some(begins) = begins {
        timeout(begins, lines.fill_buf()).await.map_err(|_| slow("asked for nothing", begins))??;
    } else {
        lines.fill_buf().await?;
    }
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    let mut bounded = (&mut *lines).take(most);
    let read = timeout(ends, bounded.read_until(b'\n', &mut line)).await;
    let read = read.map_err(|_| slow("left its request unfinished", ends))??;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        _ if read == MAX_LINE => Err(io::Error::new(io::ErrorKind::InvalidData, "a line too long")),
        _ if read == 0 => Ok(None),
        _ => Ok(Some(line)),
    }
}

pub(super) async fn gone(lines: &mut BufReader<OwnedReadHalf>) {
    while lines.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
        let all = lines.buffer().len();
        lines.consume(all);
    }
}
