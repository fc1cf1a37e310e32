//! What a menu needs of whatever carries its messages.

use std::future::Future;
use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::error::DoorError;

/// Lines that wait to be shown.
pub const MAX_ARRIVED: usize = 256;

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Whether the message was longer than the other side can take, and cut.
    pub cut: bool,
}

/// What carries the messages of a menu. Its calls may take a while, and what arrives meanwhile is shown at once.
pub trait Transport: Send {
    /// Sends a message to one address.
    fn send(&mut self, to: SocketAddr, text: &str) -> impl Future<Output = Result<Sent, String>> + Send;
    /// The connected peers, in the order in which they came.
    fn peers(&mut self) -> impl Future<Output = Vec<SocketAddr>> + Send;
    /// Connects to every known peer; says of each whether it was reached, or why not.
    fn connect(&mut self) -> impl Future<Output = Vec<(SocketAddr, Result<(), String>)>> + Send;
    /// Asks every known peer, or one, who is online. Answers arrive as lines.
    fn ask(&mut self, whom: Option<SocketAddr>) -> impl Future<Output = Result<(), String>> + Send;
    /// Tells every known peer that we leave.
    fn leave(&mut self) -> impl Future<Output = ()> + Send;
}

/// What arrives: `<ip>:<port> <team> <message>`; of one who leaves, a second line that says so. The screen shows each line as
/// text of others is shown. An
/// error says that nothing more can come or go, and ends the menu.
pub type Arrived = mpsc::Receiver<Result<String, DoorError>>;

/// How a menu gets its transport, once it knows a name and a port.
pub trait Open {
    /// What it gives: open, with nobody connected yet.
    type Transport: Transport;
    /// Begins to listen. The name is one word, the port is not 0.
    fn open(self, name: &str, port: u16) -> impl Future<Output = Result<(Self::Transport, Arrived), DoorError>> + Send;
}
