//! Standard input as lines of bounded length, counted.

use rumormill_wire::classroom::{ClassroomError, ClassroomFault, MAX_LINE_LEN, line_len};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How many bytes are read at once.
const READ: usize = 16 * 1_024;

pub(crate) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: u64,
    /// What stands in `buffer` is the rest of a line that is too long.
    skipping: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), number: 0, skipping: false, ended: false }
    }

    /// Which line [`next`](Self::next) gave last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end; one that is too long is passed over and named. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>, ClassroomError>> {
        loop {
            match line_len(&self.buffer) {
                Ok(Some(length)) => return Some(self.cut(length)),
                Ok(None) if self.ended => return None,
                Ok(None) => {}
                Err(_) => {
                    let end = self.buffer.iter().position(|byte| *byte == b'\n').unwrap_or(self.buffer.len());
                    self.buffer.drain(..end);
                    self.skipping = true;
                    continue;
                }
            }
            self.buffer.reserve(READ);
            // Input that cannot be read has ended.
            if self.input.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                self.ended = true;
                if self.skipping || !self.buffer.is_empty() {
                    // The last line may lack its end.
                    self.buffer.push(b'\n');
                }
            }
        }
    }

    fn cut(&mut self, length: usize) -> Result<Vec<u8>, ClassroomError> {
        self.number = self.number.saturating_add(1);
        let mut line: Vec<_> = self.buffer.drain(..length).collect();
        line.pop();
        if std::mem::take(&mut self.skipping) {
            return Err(ClassroomError { offset: MAX_LINE_LEN, reason: ClassroomFault::TooLong });
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of a few lengths, over and over.
    struct Pieces<'a>(&'a [u8], Vec<usize>, usize);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let length = self.1[self.2 % self.1.len()].min(self.0.len()).min(buf.remaining());
            let (now, later) = self.0.split_at(length);
            buf.put_slice(now);
            self.0 = later;
            self.2 += 1;
            std::task::Poll::Ready(Ok(()))
        }
    }

    fn read(bytes: &[u8], lengths: Vec<usize>) -> Vec<Option<Vec<u8>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(Pieces(bytes, lengths, 0));
            let mut out = Vec::new();
            while let Some(line) = lines.next().await {
                out.push(line.ok());
                assert_eq!(lines.number(), out.len() as u64);
            }
            out
        })
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        assert_eq!(read(b"a\n\nb", vec![1]), [Some(b"a".to_vec()), Some(vec![]), Some(b"b".to_vec())]);
        assert_eq!(read(b"", vec![1]), []);
        assert_eq!(read(b"a\n", vec![2]), [Some(b"a".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line_and_the_next_is_read() {
        let long = vec![b'x'; 3 * MAX_LINE_LEN];
        let bytes = [b"a\n", &long[..], b"\nb\n"].concat();
        for length in [1_000, MAX_LINE_LEN, 200_000] {
            assert_eq!(read(&bytes, vec![length]), [Some(b"a".to_vec()), None, Some(b"b".to_vec())], "{length}");
        }
        assert_eq!(read(&long, vec![1_000]), [None], "also when it is the last and has no end");
        let just = [&vec![b'x'; MAX_LINE_LEN - 1][..], b"\n"].concat();
        assert_eq!(read(&just, vec![777]).len(), 1);
        assert!(read(&just, vec![777])[0].is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_do_not_depend_on_how_the_input_is_cut(text in "[a\n]{0,60}", lengths in prop::collection::vec(1_usize..9, 1..5)) {
            let whole: Vec<_> = text.lines().map(|line| Some(line.as_bytes().to_vec())).collect();
            prop_assert_eq!(read(text.as_bytes(), lengths), whole);
        }
    }
}
