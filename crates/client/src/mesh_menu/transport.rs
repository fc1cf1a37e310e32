//! What a menu does, as messages of the room.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rumormill_api::{Client, ClientError};
use rumormill_doors::address::canonical;
use rumormill_doors::peer_line::menu::{Sent, Transport};
use rumormill_doors::{DoorError, cut};
use rumormill_limits::file::Held;
use rumormill_wire::peer_line::mesh::{MAX_TEXT_LEN, MeshLine, ONLINE, ROOM, To};
use rumormill_wire::peer_line::{CONNECT, EXIT, MAX_ANSWER_LEN, Online};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::room::{Room, lock};

/// Somebody who has just begun may not be known here yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// The last message takes no longer.
const GOODBYE: Duration = Duration::from_secs(5);
const NOBODY: &str = "nobody listens there";

/// A menu at a node.
#[derive(Debug)]
pub(crate) struct MeshTransport {
    pub(super) socket: PathBuf,
    /// `None` after it broke.
    pub(super) client: Option<Client>,
    pub(super) team: String,
    pub(super) room: Arc<Mutex<Room>>,
    pub(super) news: watch::Receiver<()>,
    pub(super) show: mpsc::Sender<Result<String, DoorError>>,
    pub(super) following: JoinHandle<()>,
    pub(super) held: Option<Held>,
}

impl MeshTransport {
    fn room(&self) -> MutexGuard<'_, Room> {
        lock(&self.room)
    }

    /// Writes a message; it is durable afterwards.
    async fn write(&mut self, line: MeshLine<'_>) -> Result<(), ClientError> {
        let mut body = Vec::new();
        line.encode(&mut body).map_err(|why| ClientError::Refused(why.to_string()))?;
        let body = String::from_utf8_lossy(&body);
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.socket).await?,
        };
        let sent = client.send(&body, ROOM).await;
        // After an answer that says no, the connection goes on.
        if matches!(sent, Ok(_) | Err(ClientError::Refused(_) | ClientError::Wrong(_))) {
            self.client = Some(client);
        }
        sent.map(drop)
    }

    async fn say(&mut self, to: To, text: &str) -> Result<Sent, ClientError> {
        let (from, team) = (self.room().own(), self.team.clone());
        let text = cut::one_line(text);
        let (text, cut) = cut::cut(&text, MAX_TEXT_LEN);
        self.write(MeshLine { to, from, team: &team, text: &text }).await?;
        Ok(Sent { cut })
    }

    /// Says that the menu is there (P-M3).
    pub(super) async fn announce(&mut self) -> Result<(), ClientError> {
        self.say(To::All, ONLINE).await.map(drop)
    }

    async fn found(&mut self, addr: SocketAddr) -> Result<(), String> {
        let room = Arc::clone(&self.room);
        let there = self.news.wait_for(|()| lock(&room).is_there(addr));
        match timeout(PATIENCE, there).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NOBODY.to_owned()),
        }
    }

    /// The others that are there, as many as the plain answer would name.
    fn online(&self, whom: SocketAddr) -> String {
        let others = self.room().present.addresses().into_iter().filter(|addr| *addr != whom);
        let mut answer = Vec::new();
        match Online::encode(others, MAX_ANSWER_LEN, &mut answer) {
            Ok(1..) => format!("Online at {whom}: {}", String::from_utf8_lossy(&answer).replace('\n', " ")),
            _ => format!("Online at {whom}: nobody"),
        }
    }
}

impl Transport for MeshTransport {
    async fn send(&mut self, to: SocketAddr, text: &str) -> Result<Sent, String> {
        let to = canonical(to);
        self.found(to).await?;
        let sent = self.say(To::One(to), text).await.map_err(|why| why.to_string())?;
        let mut room = self.room();
        if to != room.own() {
            room.table.reached(to, false);
        }
        Ok(sent)
    }

    async fn peers(&mut self) -> Vec<SocketAddr> {
        self.room().table.listed()
    }

    async fn connect(&mut self) -> Vec<(SocketAddr, Result<(), String>)> {
        let known = self.room().table.to_dial();
        let mut results = Vec::with_capacity(known.len());
        for (to, _) in known {
            let there = self.room().is_there(to);
            let said = if there {
                self.say(To::One(to), CONNECT).await.map(drop).map_err(|why| why.to_string())
            } else {
                Err(NOBODY.to_owned())
            };
            match &said {
                Ok(()) => self.room().table.reached(to, true),
                Err(_) => drop(self.room().table.failed(to)),
            }
            results.push((to, said));
        }
        results
    }

    async fn ask(&mut self, whom: Option<SocketAddr>) -> Result<(), String> {
        let whom = whom.map_or_else(|| self.room().own(), canonical);
        if !self.room().is_there(whom) {
            return Err(NOBODY.to_owned());
        }
        let answer = self.online(whom);
        self.show.send(Ok(answer)).await.map_err(|why| why.to_string())
    }

    async fn leave(&mut self) {
        let _ = timeout(GOODBYE, self.say(To::All, EXIT)).await;
        self.following.abort();
        // The address is free again.
        self.held = None;
    }
}

impl Drop for MeshTransport {
    fn drop(&mut self) {
        self.following.abort();
    }
}
