//! Standard output for programs that read, write and wait for others at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::fs::OFlags;
use tokio::io::{AsyncWrite, AsyncWriteExt, Stdout, stdout};

use crate::output::Out;

/// Writes by a thread of its own and remembers the first failure. [`Console::end`] hands it on; see [`Out`].
#[must_use = "what was printed counts only once `end` has handed on whether it was written"]
pub(crate) struct Console {
    to: Stdout,
    reads_only: bool,
    fault: Option<io::Error>,
}

impl Console {
    pub(crate) fn new() -> Self {
        // The library takes a standard output that is open for reading only to be written to.
        let reads_only =
            rustix::fs::fcntl_getfl(io::stdout()).is_ok_and(|flags| flags & OFlags::ACCMODE == OFlags::RDONLY);
        Self { to: stdout(), reads_only, fault: None }
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

    fn broken(&self) -> Option<io::Error> {
        self.fault.as_ref().map(|fault| fault.kind().into())
    }
}

impl AsyncWrite for Console {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(why) = self.broken() {
            return Poll::Ready(Err(why));
        }
        let done = match self.reads_only {
            true => Poll::Ready(Err(io::Error::from(rustix::io::Errno::BADF))),
            false => Pin::new(&mut self.to).poll_write(context, bytes),
        };
        self.note(done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(why) = self.broken() {
            return Poll::Ready(Err(why));
        }
        let done = Pin::new(&mut self.to).poll_flush(context);
        self.note(done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
