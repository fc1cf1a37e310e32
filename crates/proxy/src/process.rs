//! One process: its child, its connection, its replies.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rumormill_wire::classroom::{GET_CHAT_LOG, ReplyLine, StartPlace};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::SESSION_STORE;
use crate::launch::Launch;

/// A process has so long to listen.
pub const START_DEADLINE: Duration = Duration::from_secs(5);
/// A process has so long to answer, and to end.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(10);
/// The longest reply that is read.
pub const MAX_REPLY: u64 = 1 << 30;

/// What can be wrong with a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It cannot be run.
    #[error("cannot be run: {0}; give its path with --process")]
    Run(io::Error),
    /// It ended instead of listening.
    #[error("ended with {0} before it listened on port {1}")]
    Ended(std::process::ExitStatus, u16),
    /// It does not listen.
    #[error("does not listen on port {0} after 5 s")]
    Deaf(u16),
    /// No port is free.
    #[error("no free port: {0}")]
    NoPort(io::Error),
    /// Its connection broke.
    #[error("connection lost ({0}); it may have crashed, start it again")]
    Lost(io::Error),
    /// No answer.
    #[error("no answer within 10 s")]
    Silent,
    /// An answer that is none.
    #[error("answered with something else than a chatLog line")]
    Garbled,
}

/// A port that is free now.
pub(crate) async fn free_port() -> Result<u16, ProcessError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ProcessError::NoPort)?;
    Ok(listener.local_addr().map_err(ProcessError::NoPort)?.port())
}

/// A process that was started.
pub(crate) struct Process {
    child: Child,
    stream: BufReader<TcpStream>,
}

impl Process {
    pub async fn start(
        launch: &Launch,
        id: u32,
        place: StartPlace,
        store: Option<&Path>,
    ) -> Result<Self, ProcessError> {
        let StartPlace { n, port } = place;
        let arguments = [id.to_string(), n.to_string(), port.to_string()];
        let mut command = launch.command(&arguments, Path::new("."));
        if let Some(store) = store {
            command.env(SESSION_STORE, store);
        }
        let mut child = command.spawn().map_err(ProcessError::Run)?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if let Ok(Ok(stream)) = timeout_at(deadline, TcpStream::connect(addr)).await {
                let _ = stream.set_nodelay(true);
                return Ok(Self { child, stream: BufReader::new(stream) });
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(ProcessError::Ended(status, port));
            }
            sleep(Duration::from_millis(5)).await;
        }
        let _ = child.kill().await;
        Err(ProcessError::Deaf(port))
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub async fn send(&mut self, line: &[u8]) -> Result<(), ProcessError> {
        match timeout(REPLY_DEADLINE, self.stream.get_mut().write_all(line)).await {
            Ok(result) => result.map_err(ProcessError::Lost),
            Err(_) => Err(ProcessError::Silent),
        }
    }

    pub async fn chat_log(&mut self) -> Result<String, ProcessError> {
        self.send(format!("{GET_CHAT_LOG}\n").as_bytes()).await?;
        let mut line = Vec::new();
        let mut reader = (&mut self.stream).take(MAX_REPLY);
        match timeout(REPLY_DEADLINE, reader.read_until(b'\n', &mut line)).await {
            Err(_) => return Err(ProcessError::Silent),
            Ok(Err(why)) => return Err(ProcessError::Lost(why)),
            Ok(Ok(0)) => return Err(ProcessError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => {}
        }
        if line.pop() != Some(b'\n') {
            return Err(ProcessError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        payload(line)
    }

    /// Waits for a process that was told to crash.
    pub async fn wait_end(&mut self) -> Result<(), ProcessError> {
        match timeout(REPLY_DEADLINE, self.child.wait()).await {
            Ok(result) => result.map(drop).map_err(ProcessError::Lost),
            Err(_) => {
                self.end().await;
                Err(ProcessError::Silent)
            }
        }
    }

    /// Ends it if `stopall` has not.
    pub async fn end(&mut self) {
        let _ = self.child.kill().await;
    }
}

/// A reply may be longer than a request line may be, so its beginning is what is checked.
fn payload(line: Vec<u8>) -> Result<String, ProcessError> {
    use rumormill_wire::classroom::CHAT_LOG;
    let payload = match ReplyLine::parse(&line) {
        Ok(reply) => reply.payload.to_owned(),
        Err(_) => {
            let text = String::from_utf8(line).map_err(|_| ProcessError::Garbled)?;
            text.strip_prefix(CHAT_LOG).ok_or(ProcessError::Garbled)?.to_owned()
        }
    };
    Ok(payload)
}
