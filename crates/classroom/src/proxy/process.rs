//! One process: its child, its connection, its replies.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;
use std::time::Duration;

use rumormill_wire::classroom::{CHAT_LOG, GET_CHAT_LOG};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long is waited for a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until its port is free: those of a session that just ended may not yet have gone.
    pub taken: Duration,
    /// Until it listens, from when it was started.
    pub start: Duration,
    /// Until it takes a line, until it answers, and until it ends when told to crash.
    pub reply: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { taken: Duration::from_secs(1), start: Duration::from_secs(5), reply: Duration::from_secs(10) }
    }
}

impl Patience {
    async fn within<T>(self, work: impl Future<Output = io::Result<T>>) -> Result<T, ProcessError> {
        match timeout(self.reply, work).await {
            Ok(done) => done.map_err(ProcessError::Lost),
            Err(_) => Err(ProcessError::Silent(self.reply)),
        }
    }
}

/// The longest reply that is read, in bytes.
pub(crate) const MAX_REPLY: u64 = 1 << 28;
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(5);

/// What can be wrong with a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It cannot be run.
    #[error("cannot be run: {0}; give its path with --process")]
    Run(io::Error),
    /// Another program has its port.
    #[error("port {0} is taken; start it with another")]
    Taken(u16),
    /// It ended instead of listening.
    #[error("ended with {0} before it listened on port {1}")]
    Ended(ExitStatus, u16),
    /// It does not listen.
    #[error("does not listen on port {0} after {1:?}; it was killed")]
    Deaf(u16, Duration),
    /// No port is free.
    #[error("no free port: {0}")]
    NoPort(io::Error),
    /// The connection to its control port broke, for a reason of the system's.
    #[error("connection lost ({0}); if it has ended, start it again")]
    Lost(io::Error),
    /// It takes no line or gives no answer.
    #[error("no answer within {0:?}; ask again")]
    Silent(Duration),
    /// It was told to crash and did not.
    #[error("did not end within {0:?}; it was killed")]
    Stayed(Duration),
    /// An answer that is none.
    #[error("answered with something else than a chatLog line")]
    Garbled,
    /// An answer without end.
    #[error("answered with more than {MAX_REPLY} bytes")]
    Endless,
}

/// A port that is free now.
pub(crate) async fn free_port() -> Result<u16, ProcessError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ProcessError::NoPort)?;
    Ok(listener.local_addr().map_err(ProcessError::NoPort)?.port())
}

async fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.is_err_and(|why| why.kind() == io::ErrorKind::AddrInUse)
}

async fn connect(port: u16) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    // With nobody listening, a port of the range that the system gives to diallers can get connected to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let _ = stream.set_nodelay(true);
    Ok(BufReader::new(stream))
}

/// A process that was started. Dropping it kills the child.
pub(crate) struct Process {
    child: Child,
    port: u16,
    patience: Patience,
    /// `None` after a failure: what still comes on the old connection would be taken for a later answer.
    connection: Option<BufReader<TcpStream>>,
}

/// A while after `since`; at once if clocks do not go so far.
pub(crate) fn after(since: Instant, so_long: Duration) -> Instant {
    since.checked_add(so_long).unwrap_or(since)
}

impl Process {
    /// Runs `command`, which is to listen on `port`, once nobody else does: else the other would be taken for the process.
    pub(crate) async fn spawn(mut command: Command, port: u16, patience: Patience) -> Result<Self, ProcessError> {
        let deadline = after(Instant::now(), patience.taken);
        while is_taken(port).await {
            if Instant::now() >= deadline {
                return Err(ProcessError::Taken(port));
            }
            sleep(RETRY).await;
        }
        let child = command.spawn().map_err(ProcessError::Run)?;
        Ok(Self { child, port, patience, connection: None })
    }

    /// Connects as soon as it listens.
    pub(crate) async fn listens(&mut self) -> Result<(), ProcessError> {
        let deadline = after(Instant::now(), self.patience.start);
        while Instant::now() < deadline {
            if let Ok(Ok(connection)) = timeout_at(deadline, connect(self.port)).await {
                self.connection = Some(connection);
                return Ok(());
            }
            // One that ended well may have left the work to a child of its own.
            if let Ok(Some(status)) = self.child.try_wait()
                && !status.success()
            {
                return Err(ProcessError::Ended(status, self.port));
            }
            sleep(RETRY).await;
        }
        self.kill().await;
        Err(ProcessError::Deaf(self.port, self.patience.start))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The connection, taken out: it is put back when all went well.
    async fn connection(&mut self) -> Result<BufReader<TcpStream>, ProcessError> {
        // Also waits for a child that ended by itself, so that no zombie stays.
        self.is_running();
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(self.port).await.map_err(ProcessError::Lost),
        }
    }

    pub(crate) async fn send(&mut self, line: &[u8]) -> Result<(), ProcessError> {
        let mut connection = self.connection().await?;
        self.patience.within(connection.get_mut().write_all(line)).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// The payload of the answer to a `get chatLog`.
    pub(crate) async fn chat_log(&mut self) -> Result<String, ProcessError> {
        let mut connection = self.connection().await?;
        self.patience.within(connection.get_mut().write_all(format!("{GET_CHAT_LOG}\n").as_bytes())).await?;
        let mut line = Vec::new();
        self.patience.within((&mut connection).take(MAX_REPLY).read_until(b'\n', &mut line)).await?;
        if line.pop() != Some(b'\n') {
            let full = u64::try_from(line.len()).is_ok_and(|length| length.saturating_add(1) >= MAX_REPLY);
            return Err(if full { ProcessError::Endless } else { lost() });
        }
        // Not `ReplyLine::parse`: a log may be longer than a command.
        let text = String::from_utf8(line).map_err(|_| ProcessError::Garbled)?;
        let payload = text.strip_prefix(CHAT_LOG).ok_or(ProcessError::Garbled)?.to_owned();
        self.connection = Some(connection);
        Ok(payload)
    }

    /// Waits for a process that was told to crash.
    pub(crate) async fn ended_by_itself(&mut self) -> Result<(), ProcessError> {
        match timeout(self.patience.reply, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(ProcessError::Lost),
            Err(_) => {
                self.kill().await;
                Err(ProcessError::Stayed(self.patience.reply))
            }
        }
    }

    /// Ends it, if it has not ended, and waits for it.
    pub(crate) async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}

fn lost() -> ProcessError {
    ProcessError::Lost(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    const TICK: Duration = Duration::from_millis(150);
    const SHORT: Patience = Patience { taken: TICK, start: TICK, reply: TICK };

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// A process whose connections are answered by the test, each in its own way.
    async fn answered_by(answers: Vec<(Duration, &'static [u8])>) -> Process {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for (after, answer) in answers {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    stream.read_line(&mut line).await.unwrap();
                    assert_eq!(line, "get chatLog\n");
                    sleep(after).await;
                    // The asker may have gone.
                    let _ = stream.write_all(answer).await;
                });
            }
        });
        let child = shell("exec sleep 60").spawn().unwrap();
        Process { child, port, patience: SHORT, connection: None }
    }

    #[tokio::test]
    async fn a_late_answer_is_not_taken_for_the_next() {
        let late = SHORT.reply + Duration::from_millis(100);
        let mut process = answered_by(vec![(late, b"chatLog old\n"), (Duration::ZERO, b"chatLog new\n")]).await;
        assert!(matches!(process.chat_log().await, Err(ProcessError::Silent(_))));
        sleep(late).await;
        assert_eq!(process.chat_log().await.unwrap(), "new");
    }

    #[tokio::test]
    async fn answers_that_are_none_are_named() {
        let at_once = |answer| (Duration::ZERO, answer);
        let answers: Vec<_> =
            [&b"chatlog a\n"[..], b"chatLog \xff\n", b"chatLog cut", b"chatLog \n"].map(at_once).into();
        let mut process = answered_by(answers).await;
        assert!(matches!(process.chat_log().await, Err(ProcessError::Garbled)));
        assert!(matches!(process.chat_log().await, Err(ProcessError::Garbled)));
        assert!(matches!(process.chat_log().await, Err(ProcessError::Lost(_))));
        assert_eq!(process.chat_log().await.unwrap(), "");
    }

    async fn start(command: Command, port: u16, patience: Patience) -> Option<ProcessError> {
        match Process::spawn(command, port, patience).await {
            Ok(mut process) => process.listens().await.err(),
            Err(why) => Some(why),
        }
    }

    #[tokio::test]
    async fn a_port_of_another_program_is_not_taken_for_a_process() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = other.local_addr().unwrap().port();
        let started = start(shell("exec sleep 60"), port, SHORT).await;
        assert!(matches!(started, Some(ProcessError::Taken(taken)) if taken == port));
        tokio::spawn(async move {
            sleep(TICK).await;
            drop(other);
        });
        let started = start(shell("exit 3"), port, Patience::default()).await;
        assert!(matches!(started, Some(ProcessError::Ended(..))), "one that is about to go is waited for");
    }

    #[tokio::test]
    async fn a_process_that_does_not_listen_is_named() {
        let port = free_port().await.unwrap();
        let ended = start(shell("exit 3"), port, Patience::default()).await;
        assert!(matches!(ended, Some(ProcessError::Ended(status, _)) if status.code() == Some(3)), "{ended:?}");
        let deaf = start(shell("exec sleep 60"), port, SHORT).await;
        assert!(matches!(deaf, Some(ProcessError::Deaf(..))), "{deaf:?}");
        let missing = start(Command::new("./no-such-program"), port, SHORT).await;
        assert!(matches!(missing, Some(ProcessError::Run(_))), "{missing:?}");
    }

    #[tokio::test]
    async fn a_process_that_ignores_a_crash_is_killed() {
        let mut process = answered_by(vec![]).await;
        assert!(matches!(process.ended_by_itself().await, Err(ProcessError::Stayed(_))));
        assert!(!process.is_running());
    }
}
