//! Lines that are typed, with a bound; giving up on one half read loses nothing of it.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Reads an input line by line, each within a bound.
#[derive(Debug)]
pub(crate) struct Lines<I> {
    input: I,
    max: usize,
    begun: Vec<u8>,
}

impl<I: AsyncBufRead + Unpin> Lines<I> {
    /// Of an input; of a line, what goes beyond `max` bytes is left out.
    pub(crate) fn new(input: I, max: usize) -> Self {
        Self { input, max, begun: Vec::new() }
    }

    /// The next line without its end; `None` once there is none. May be dropped and called again.
    ///
    /// # Errors
    /// The input broke.
    pub(crate) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let bytes = self.input.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(if self.begun.is_empty() { None } else { Some(self.line()) });
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            let room = self.max.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            let used = part.len().saturating_add(usize::from(end.is_some()));
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(self.line()));
            }
        }
    }

    fn line(&mut self) -> String {
        let bytes = std::mem::take(&mut self.begun);
        String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_with_and_without_an_end() {
        let long = "y".repeat(64);
        let input = format!("one\r\n\n{long}\nlast");
        let mut lines = Lines::new(input.as_bytes(), 32);
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some(""));
        assert_eq!(lines.next().await.unwrap().unwrap().len(), 32);
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("last"));
        assert_eq!(lines.next().await.unwrap(), None);
    }
}
