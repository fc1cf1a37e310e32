//! The five nodes of the demo: their processes, ports and sockets.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rumormill_api::{Client, ClientError, Info, LogLine, LogQuery, Step, default_path};
use rumormill_node::descriptors::fewer_than;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::place;
use crate::output::Failure;

/// The names of the nodes, in the order in which they stand in the ring.
pub(super) const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
/// Descriptors with which a node has its two links and is asked about them, and this program has a pipe to each.
const LEAST: u64 = 40;
/// Nothing in the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// One node of the demo, whether its process runs or not.
pub(super) struct Player {
    pub name: &'static str,
    port: u16,
    child: Option<Child>,
}

/// All of them, and the directory that they live in.
pub(super) struct Cast {
    pub players: Vec<Player>,
    dir: tempfile::TempDir,
}

impl Drop for Cast {
    fn drop(&mut self) {
        for player in &mut self.players {
            player.end();
        }
    }
}

impl Player {
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How its process ended, if it has.
    fn ended(&self) -> Option<String> {
        let id = Pid::from_child(self.child.as_ref()?);
        let looked = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(id), looked).ok()??;
        let by = |what, n: Option<_>| n.map(|n: i32| format!("its node ended {what} {n}"));
        by("with code", status.exit_status()).or_else(|| by("by signal", status.terminating_signal()))
    }
}

/// Ports that are free now, below those that the system gives to connections: who comes back after a crash finds its own free.
fn free_ports() -> std::io::Result<Vec<u16>> {
    const FIRST: u32 = 31_000;
    const COUNT: u32 = 1_700;
    let start = std::process::id().wrapping_mul(8) % COUNT;
    let candidates = (FIRST..FIRST.saturating_add(COUNT)).cycle().skip(usize::try_from(start).unwrap_or(0));
    let candidates = candidates.take(usize::try_from(COUNT).unwrap_or(0)).filter_map(|port| u16::try_from(port).ok());
    let free = candidates.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let ports: Vec<_> = free.take(NAMES.len()).collect();
    if ports.len() == NAMES.len() { Ok(ports) } else { Err(std::io::ErrorKind::AddrInUse.into()) }
}

impl Cast {
    /// Finds a place and ports; starts nobody.
    pub(super) fn gather() -> Result<Self, Failure> {
        if let Some(limit) = fewer_than(LEAST) {
            let what = format!("the limit of descriptors is {limit}, and the demo needs {LEAST}");
            return Err(Failure::failed(what, "raise it (`ulimit -Hn`, LimitNOFILE)"));
        }
        let dir = place::make(&NAMES)?;
        let no_ports =
            |why| Failure::failed(format!("the demo finds no ports: {why}"), "end what listens from 31000 on");
        let ports = free_ports().map_err(no_ports)?;
        let players = NAMES.iter().zip(ports).map(|(name, port)| Player { name, port, child: None }).collect();
        Ok(Self { players, dir })
    }

    fn state(&self, n: usize) -> PathBuf {
        self.dir.path().join(NAMES.get(n).copied().unwrap_or("nobody"))
    }

    /// Starts a node: the ring's next and the one before it are its neighbours.
    pub(super) fn start(&mut self, n: usize) -> Result<(), Failure> {
        let state = self.state(n);
        let count = self.players.len();
        let neighbours =
            [n.checked_add(1).filter(|n| *n < count).unwrap_or(0), n.checked_sub(1).unwrap_or(count.saturating_sub(1))];
        let mut command = Command::new(me()?);
        command
            .arg0("rumormill")
            .arg("node")
            // Even where this program is killed, no node outlives it.
            .arg("--end-with-input")
            .arg("--home")
            .arg(self.dir.path().join("home"))
            .arg("--state")
            .arg(&state);
        command.args(["--store", "sqlite", "--durability", "full"]);
        for neighbour in neighbours.iter().filter_map(|m| self.players.get(*m)) {
            command.arg("--neighbour").arg(format!("{}@127.0.0.1:{}", neighbour.name, neighbour.port));
        }
        let Some(player) = self.players.get_mut(n) else { return Ok(()) };
        command.args(["--name", player.name, "--listen"]).arg(format!("127.0.0.1:{}", player.port));
        let log = self.dir.path().join(format!("{}.log", player.name));
        let log = File::options().append(true).create(true).open(log).map_err(|why| Failure::failed(why, ""))?;
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        player.child = Some(command.spawn().map_err(|why| Failure::failed(format!("cannot run a node: {why}"), ""))?);
        Ok(())
    }

    /// Ends a node at once, as a crash does.
    pub(super) fn crash(&mut self, n: usize) {
        if let Some(player) = self.players.get_mut(n) {
            player.end();
        }
    }

    /// A node's process id.
    pub(super) fn pid(&self, n: usize) -> u32 {
        self.players.get(n).and_then(|player| player.child.as_ref()).map_or(0, Child::id)
    }

    async fn client(&self, n: usize) -> Result<Client, ClientError> {
        Client::connect(&default_path(&self.state(n))).await
    }

    /// Sends a message through a node.
    pub(super) async fn send(&self, n: usize, text: &str) -> Result<(), Failure> {
        let sent = async { self.client(n).await?.send(text, "").await };
        sent.await.map(drop).map_err(|why| self.failure(n, &why.to_string()))
    }

    /// A node's log.
    pub(super) async fn log(&self, n: usize) -> Result<Vec<LogLine>, ClientError> {
        let mut lines = Vec::new();
        let mut reader = self.client(n).await?.log(LogQuery::default()).await?;
        loop {
            match reader.next().await? {
                Step::Line(line) => lines.push(*line),
                Step::End => return Ok(lines),
                Step::Current | Step::Missed(_) => {}
            }
        }
    }

    /// Who a node is, and what it has in 16 bytes.
    pub(super) async fn info(&self, n: usize) -> Result<Info, ClientError> {
        self.client(n).await?.info().await
    }

    /// Waits until these nodes have so many links each; gives TLS version and group of one.
    pub(super) async fn linked(&self, links: usize) -> Result<String, Failure> {
        let mut tls = String::new();
        for n in 0..self.players.len() {
            self.until(n, "link up with its neighbours", async || {
                let peers = self.client(n).await?.peers().await?;
                if let Some(peer) = peers.first() {
                    tls = format!("{}, {}", peer.tls_version, peer.tls_group);
                }
                Ok(peers.len() >= links)
            })
            .await?;
        }
        Ok(tls)
    }

    /// Waits until these nodes have so many messages.
    pub(super) async fn have(&self, who: &[usize], messages: usize) -> Result<(), Failure> {
        for n in who {
            let what = format!("have {messages} messages");
            self.until(*n, &what, async || Ok(self.log(*n).await?.len() >= messages)).await?;
        }
        Ok(())
    }

    /// Waits until it holds; a node that does not answer yet is asked again.
    async fn until(
        &self,
        n: usize,
        what: &str,
        mut holds: impl AsyncFnMut() -> Result<bool, ClientError>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(PATIENCE).unwrap_or_else(Instant::now);
        loop {
            let why = match holds().await {
                Ok(true) => return Ok(()),
                Ok(false) => format!("did not {what} in {} s", PATIENCE.as_secs()),
                Err(why) => why.to_string(),
            };
            // What is waited for at one may not come because another has ended.
            if let Some((who, ended)) = (0..).zip(&self.players).find_map(|(m, one)| Some((m, one.ended()?))) {
                return Err(self.failure(who, &ended));
            }
            if Instant::now() >= deadline {
                return Err(self.failure(n, &why));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What went wrong at a node, with the end of its log.
    pub(super) fn failure(&self, n: usize, why: &str) -> Failure {
        let name = NAMES.get(n).copied().unwrap_or("nobody");
        let log = tail(&self.dir.path().join(format!("{name}.log")));
        let next = match log.is_empty() {
            false => format!("the end of its log says:\n{log}"),
            true => format!("its log says nothing: is there room in {}?", std::env::temp_dir().display()),
        };
        Failure::failed(format!("{name}: {why}"), next)
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

fn me() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|why| Failure::failed(format!("cannot find this program: {why}"), ""))
}
