//! Reading one request, which nothing ends but a line end, the end of the stream or a pause.

use std::time::Duration;

use rumormill_wire::push_pull::{PULL, PUSH, Request, request_len};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::counters::Counters;
use crate::opening::{self, OpeningKind, Stranger};

/// A whole request takes no longer.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// What is no request yet may become one for so many pauses.
const MORE_PATIENCE: u32 = 4;
/// Nothing but a line end can follow PULL.
const PULL_PAUSE: Duration = Duration::from_millis(30);
/// After a line end: longer than a system keeps back a second small write, until the first is acknowledged (40 ms).
const LINE_PAUSE: Duration = Duration::from_millis(100);

/// What came by a connection, up to where a request ends.
pub(super) enum Read {
    /// A request, or what is none.
    Request(Vec<u8>),
    /// No byte before the end, or before the deadline.
    Nothing,
}

pub(super) async fn read(stream: &mut TcpStream, idle: Duration, counters: &Counters) -> std::io::Result<Read> {
    let now = Instant::now();
    let end = now.checked_add(REQUEST_DEADLINE).unwrap_or(now);
    let mut bytes = Vec::with_capacity(256);
    loop {
        let pause = if bytes.is_empty() { REQUEST_DEADLINE } else { pause(&bytes, idle) };
        let read = timeout_at(end, timeout(pause, stream.read_buf(&mut bytes))).await;
        let ended = match read {
            Ok(Ok(read)) => {
                let read = read?;
                Counters::add(&counters.bytes_in, read);
                read == 0
            }
            Ok(Err(_)) | Err(_) => true,
        };
        match request_len(&bytes, ended) {
            // One that goes on behind its line end is refused as a whole: `SUCCESS` for a part would be a lie.
            Ok(Some(len)) if goes_on(&bytes, len) => {}
            Ok(Some(len)) if ended || check(&bytes).is_err() => bytes.truncate(len),
            // Too long: it is refused as a whole.
            Err(_) => {}
            Ok(None) if ended => return Ok(Read::Nothing),
            Ok(None | Some(_)) => continue,
        }
        return Ok(Read::Request(bytes));
    }
}

/// Whether more than line ends stands behind the request of so many bytes.
fn goes_on(bytes: &[u8], len: usize) -> bool {
    bytes.get(len..).is_some_and(is_more)
}

/// Whether this belongs to no request that came before it: a line end may.
pub(super) fn is_more(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| !b"\r\n".contains(byte))
}

/// How long to wait for more.
fn pause(bytes: &[u8], idle: Duration) -> Duration {
    match Request::parse(bytes) {
        Ok(Request::Pull) => idle.min(PULL_PAUSE),
        _ if bytes.ends_with(b"\n") => idle.min(LINE_PAUSE),
        Ok(Request::Push { .. }) => idle,
        Err(_) if PULL.as_bytes().starts_with(bytes) || bytes.starts_with(b"PUSH") => {
            idle.saturating_mul(MORE_PATIENCE)
        }
        Err(_) => idle,
    }
}

/// Whether it is from a client of this protocol, well formed or not.
///
/// # Errors
/// It is not, and hears nothing.
pub(super) fn check(bytes: &[u8]) -> Result<(), Stranger> {
    let form = match bytes {
        push if push.starts_with(PUSH.as_bytes()) => OpeningKind::Message,
        command if command.starts_with(b"PUSH") || command.starts_with(PULL.as_bytes()) => OpeningKind::Command,
        _ => OpeningKind::Unknown,
    };
    opening::check(bytes, form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_become_a_request_gets_more_time() {
        let idle = Duration::from_millis(100);
        assert_eq!(pause(b"PULL", idle), PULL_PAUSE);
        assert_eq!(pause(b"PUL", idle), 4 * idle);
        assert_eq!(pause(b"PUSH IP:a M", idle), 4 * idle);
        assert_eq!(pause(b"PUSH IP:a MSG:x", idle), idle);
        assert_eq!(pause(b"PUSH IP:a MSG:x\n", 3 * idle), LINE_PAUSE);
        assert_eq!(pause(b"what", idle), idle);
    }

    #[test]
    fn web_pages_are_known() {
        assert_eq!(check(b"GET / HTTP/1.1\r\nHost: x\r\n"), Err(Stranger::Http));
        assert_eq!(check(b"PULL / HTTP/1.1\r\n"), Err(Stranger::Http));
        assert_eq!(check(b"\x16\x03\x01\n"), Err(Stranger::Tls));
        assert_eq!(check(b"\0\x03\n"), Err(Stranger::Binary));
        for own in [&b"PUSH IP:a MSG:HTTP/1.1 is old"[..], b"PUSH IP:a MSG:gr\xfc", b"PULL\0\0", b"PUSH \x07"] {
            assert_eq!(check(own), Ok(()), "{own:?}");
        }
    }
}
