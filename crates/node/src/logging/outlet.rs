//! Lines on their way to standard error, which a thread of its own writes: a pipe that nobody reads, or a terminal that stands
//! still, holds up that thread and nobody else.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::lock;

/// Bytes that wait at most; what is over is lost, and told as a number once all that waits was taken.
pub(super) const MAX_WAITING: usize = 1 << 20;
/// Whoever ends waits so long at most for what it said last.
pub(super) const END_PATIENCE: Duration = Duration::from_millis(200);

/// Lines that wait for standard error, and what was lost of them.
#[derive(Debug, Default)]
struct LineQueue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line is being written.
    writing: bool,
    /// Lost and not told yet.
    untold: u64,
}

/// The way to standard error.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    waiting: Mutex<LineQueue>,
    changed: Condvar,
    lost: AtomicU64,
}

impl Outlet {
    /// Begins to write what is put; without a thread, if the system gives none, whoever puts writes.
    pub(super) fn start(mut sink: impl Write + Send + 'static) -> std::io::Result<Arc<Self>> {
        let outlet = Arc::<Self>::default();
        let writer = Arc::clone(&outlet);
        std::thread::Builder::new().name("rumormill-log".into()).spawn(move || {
            loop {
                let line = writer.next();
                // Nobody who reads the log is no reason to do less.
                let _ = sink.write_all(&line);
                writer.written(line.len());
            }
        })?;
        Ok(outlet)
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.writing = true;
                return line;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn written(&self, bytes: usize) {
        let mut waiting = lock(&self.waiting);
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        waiting.writing = false;
        drop(waiting);
        self.changed.notify_all();
    }

    /// Takes a line if there is room for it, and never waits.
    pub(super) fn put(&self, line: &[u8]) {
        let mut waiting = lock(&self.waiting);
        let bytes = waiting.bytes.saturating_add(line.len());
        if bytes > MAX_WAITING {
            waiting.untold = waiting.untold.saturating_add(1);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line.to_vec());
        drop(waiting);
        self.changed.notify_all();
    }

    /// How many were lost, to be told now that all that waited was taken.
    pub(super) fn to_tell(&self) -> Option<u64> {
        let mut waiting = lock(&self.waiting);
        let idle = waiting.lines.is_empty() && !waiting.writing;
        Some(std::mem::take(if idle { &mut waiting.untold } else { return None })).filter(|untold| *untold > 0)
    }

    /// Lines lost since the start, told or not.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all was written, for no longer than `at_most`.
    pub(super) fn flush(&self, at_most: Duration) {
        let busy = |waiting: &mut LineQueue| waiting.writing || !waiting.lines.is_empty();
        drop(self.changed.wait_timeout_while(lock(&self.waiting), at_most, busy));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    /// A writer that stands still until the other end reads.
    fn stuck() -> (Arc<Outlet>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Outlet::start(ours).unwrap(), theirs)
    }

    fn until(holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "not in time");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_up_nobody_and_what_was_lost_is_told() {
        let (outlet, mut reader) = stuck();
        let line = [b'x'; 1_023].iter().chain(b"\n").copied().collect::<Vec<_>>();
        // More than the queue and what the system holds.
        let most = 8 * MAX_WAITING / line.len();
        for _ in 0..most {
            outlet.put(&line);
        }
        assert!(lock(&outlet.waiting).bytes <= MAX_WAITING);
        let lost = outlet.lost();
        assert!(lost > 0 && outlet.to_tell().is_none(), "told once it is read again");
        outlet.flush(Duration::from_millis(1));
        let drain = std::thread::spawn(move || {
            let mut all = vec![0; (most - usize::try_from(lost).unwrap()) * 1_024];
            reader.read_exact(&mut all).unwrap();
            (reader, all)
        });
        let (_reader, all) = drain.join().unwrap();
        assert!(all.chunks(1_024).all(|chunk| chunk == line), "whole lines");
        until(|| !lock(&outlet.waiting).writing);
        assert_eq!((outlet.to_tell(), outlet.to_tell()), (Some(lost), None));
        assert_eq!(outlet.lost(), lost);
    }

    #[test]
    fn what_was_said_last_is_written_before_the_end() {
        let (outlet, mut reader) = stuck();
        for line in ["one\n", "two\n"] {
            outlet.put(line.as_bytes());
        }
        outlet.flush(Duration::from_secs(60));
        let mut said = [0; 8];
        reader.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"one\ntwo\n");
    }

    #[test]
    fn one_that_cannot_be_written_to_is_no_reason_to_stop() {
        struct Bad;
        impl Write for Bad {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outlet = Outlet::start(Bad).unwrap();
        for _ in 0..3 {
            outlet.put(b"x\n");
            outlet.flush(Duration::from_secs(60));
            assert_eq!(lock(&outlet.waiting).bytes, 0);
        }
    }
}
