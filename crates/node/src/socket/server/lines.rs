//! Lines in and out, in time and in bounds.

use std::io;
use std::time::Duration;

use rumormill_wire::foreign::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::socket::{MAX_LINE, Reply};

/// A client that reads nothing for so long is let go.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// What goes to a client.
pub(super) struct Out(pub(super) BufWriter<OwnedWriteHalf>);

impl Out {
    pub(super) async fn put(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_string(reply).map_err(io::Error::other)?;
        line.push('\n');
        // The same values, and a terminal at the other end obeys nobody.
        timeout(WRITE_DEADLINE, self.0.write_all(json(&line).as_bytes())).await?
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        timeout(WRITE_DEADLINE, self.0.flush()).await?
    }

    pub(super) async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.put(reply).await?;
        self.flush().await
    }
}

/// A line without its end; `None` at the end of the stream.
pub(super) async fn next_line(lines: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    let read = (&mut *lines).take(most).read_until(b'\n', &mut line).await?;
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
