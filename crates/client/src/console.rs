//! Standard output for programs that read, write and wait for others at once.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::task::{Context, Poll};

use rumormill_node::fold;
use rustix::fs::OFlags;
use tokio::io::{AsyncWrite, AsyncWriteExt, Stdout, stdout};

use crate::output::Out;

/// Writes by a thread of its own, on a terminal folded ([`rumormill_node::fold`]), and remembers the first failure. [`Console::end`] hands it on; see [`Out`].
#[must_use = "what was printed counts only once `end` has handed on whether it was written"]
pub(crate) struct Console {
    to: Stdout,
    reads_only: bool,
    fault: Option<io::Error>,
    /// What is folded and not written yet: of one write, which is taken whole.
    folded: VecDeque<u8>,
    /// Where the next write begins, on a terminal.
    column: usize,
}

impl Console {
    pub(crate) fn new() -> Self {
        // The library takes a standard output that is open for reading only to be written to.
        let reads_only =
            rustix::fs::fcntl_getfl(io::stdout()).is_ok_and(|flags| flags & OFlags::ACCMODE == OFlags::RDONLY);
        Self { to: stdout(), reads_only, fault: None, folded: VecDeque::new(), column: 0 }
    }

    /// Waits until all is written, or is known not to be.
    pub(crate) async fn end(mut self, out: &mut Out) {
        let _ = self.flush().await;
        if let Some(fault) = self.fault.take() {
            out.note(fault);
        }
    }

    /// Whether something could not be written.
    pub(crate) fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    fn note<T>(&mut self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(why)) = done {
            let kind = why.kind();
            self.fault.get_or_insert(why);
            return Poll::Ready(Err(kind.into()));
        }
        done
    }

    fn write_folded(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.folded.is_empty() {
            let done = Pin::new(&mut self.to).poll_write(context, self.folded.as_slices().0);
            let written = std::task::ready!(self.note(done))?;
            self.folded.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn broken(&self) -> Option<io::Error> {
        self.fault.as_ref().map(|fault| fault.kind().into())
    }
}

impl AsyncWrite for Console {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(why) = self.broken() {
            return Poll::Ready(Err(why));
        }
        let width = fold::width(&io::stdout());
        if width.is_some() {
            // One write at a time: nothing grows while a terminal stands still.
            std::task::ready!(self.write_folded(context))?;
        }
        let done = match (self.reads_only, width) {
            (true, _) => Poll::Ready(Err(io::Error::from(rustix::io::Errno::BADF))),
            (false, None) => Pin::new(&mut self.to).poll_write(context, bytes),
            (false, Some(width)) => {
                if io::stdin().is_terminal() {
                    // The line that was typed has ended the one of the prompt.
                    self.column = 0;
                }
                let text = String::from_utf8_lossy(bytes);
                let folded = fold::fold_from(&text, width, &mut self.column).into_owned();
                self.folded.extend(folded.into_bytes());
                Poll::Ready(Ok(bytes.len()))
            }
        };
        self.note(done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(why) = self.broken() {
            return Poll::Ready(Err(why));
        }
        std::task::ready!(self.write_folded(context))?;
        let done = Pin::new(&mut self.to).poll_flush(context);
        self.note(done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
