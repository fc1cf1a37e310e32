//! One message to one peer: a connection, the line without an end, and the close.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rumormill_wire::peer_line::{Line, QUIT, READ_LEN, Sender, is_exit};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::table::AddressForm;
use super::twin::twin;
use crate::cut;

/// A connection that is not there, or has not taken the message, after so long has failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// The other side has so long to close its end, so that what it may have sent does not reset the connection before it has read.
pub(super) const CLOSE: Duration = Duration::from_millis(300);
/// A contact has longer, since no second connection may be opened while the first is up; then the first is torn down.
pub(super) const CONTACT_CLOSE: Duration = Duration::from_secs(10);
/// For so long the fixed port may still belong to the connection before.
const PORT_PATIENCE: Duration = Duration::from_millis(1_500);
/// Between two tries to have the fixed port.
const PORT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read, and thrown away.
const MAX_ANSWER: usize = 65_536;

/// Makes our connections, each for one message.
#[derive(Debug, Clone)]
pub(super) struct Dialler {
    /// Where we listen: what stands in front of our messages.
    pub own: SocketAddr,
    /// Our name: one word.
    pub team: String,
    /// The port that connections come from.
    pub source_port: Option<u16>,
}

/// A message that was written.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Bytes that were written, address and team among them.
    pub bytes: usize,
    /// Whether it was too long for the programs of this chat.
    pub cut: bool,
    stream: TcpStream,
}

impl Dialler {
    /// Writes a message on a connection of its own; the caller then waits for its end.
    ///
    /// # Errors
    /// The peer is not there, or too slow.
    pub(super) async fn deliver(&self, addr: SocketAddr, form: AddressForm, text: &str) -> io::Result<Delivered> {
        let write = |to| async move {
            timeout(DEADLINE, self.write(to, form, text)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        };
        match (write(addr).await, twin(addr).filter(|other| *other != self.own)) {
            // It announces one of its two names and listens on the other.
            (Err(why), Some(other)) if why.kind() == io::ErrorKind::ConnectionRefused => write(other).await,
            (done, _) => done,
        }
    }

    async fn write(&self, addr: SocketAddr, form: AddressForm, text: &str) -> io::Result<Delivered> {
        let mut stream = self.connect(addr).await?;
        let _ = stream.set_nodelay(true);
        let (line, cut) = self.line(form, addr, stream.local_addr()?, text)?;
        stream.write_all(&line).await?;
        stream.shutdown().await?;
        Ok(Delivered { bytes: line.len(), cut, stream })
    }

    /// The message in the form that the peer wants, and whether it was cut. `local` is our end of the connection.
    fn line(&self, form: AddressForm, to: SocketAddr, local: SocketAddr, text: &str) -> io::Result<(Vec<u8>, bool)> {
        let own = if self.own.ip().is_unspecified() { local.ip().to_canonical() } else { self.own.ip() };
        let sender = match form {
            AddressForm::Plain => Sender::Plain(SocketAddr::new(own, self.own.port())),
            AddressForm::Bracketed => Sender::Bracketed(SocketAddr::new(to.ip().to_canonical(), self.own.port())),
        };
        // Whoever writes in brackets knows another word for leaving.
        let text = if form == AddressForm::Bracketed && is_exit(text) { QUIT } else { text };
        let text = cut::one_line(text);
        let mut out = Vec::new();
        let encode = |text: &str, out: &mut Vec<u8>| {
            Line { sender, team: Some(&self.team), text }.encode(out).map_err(io::Error::other)
        };
        encode("", &mut out)?;
        let (text, cut) = cut::cut(&text, READ_LEN.saturating_sub(out.len()));
        out.clear();
        encode(&text, &mut out)?;
        Ok((out, cut))
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let Some(port) = self.source_port else { return self.connect_from(addr, 0).await };
        let begun = Instant::now();
        loop {
            match self.connect_from(addr, port).await {
                Err(why) if matches!(why.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) => {
                    if begun.elapsed() > PORT_PATIENCE {
                        tracing::debug!(%addr, port, %why, "peer-line: the source port is not free; another one is taken");
                        return self.connect_from(addr, 0).await;
                    }
                    sleep(PORT_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// From the address we listen on, where that can be told from the default, so that the peer sees that we speak for it.
    async fn connect_from(&self, addr: SocketAddr, port: u16) -> io::Result<TcpStream> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let ip = self.own.ip();
        let usual = if addr.is_ipv4() { [0, 0, 0, 0].into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
        let ours = ip.is_ipv4() == addr.is_ipv4() && ip.is_loopback() == addr.ip().is_loopback();
        let from = if ours { ip } else { usual };
        if port != 0 {
            socket.set_reuseaddr(true)?;
            if port == self.own.port() {
                share_port(&socket)?;
            }
        }
        if port != 0 || !from.is_unspecified() && from != std::net::IpAddr::from([127, 0, 0, 1]) {
            socket.bind(SocketAddr::new(from, port))?;
        }
        socket.connect(addr).await
    }
}

/// Lets a port be listened on and dialled from.
///
/// # Errors
/// The system cannot; one that has no such option says nothing.
pub(super) fn share_port(socket: &TcpSocket) -> io::Result<()> {
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    Ok(())
}

impl Delivered {
    /// Waits until the other side has closed too. A contact that does not is cut off.
    pub(super) async fn closed(mut self, contact: bool) {
        let mut buffer = [0; 1_024];
        let all = async {
            for _ in 0..MAX_ANSWER.checked_div(buffer.len()).unwrap_or(1) {
                if !matches!(self.stream.read(&mut buffer).await, Ok(1..)) {
                    break;
                }
            }
        };
        let closed = timeout(if contact { CONTACT_CLOSE } else { CLOSE }, all).await;
        if closed.is_err() && contact {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(own: &str, form: AddressForm, text: &str) -> (String, bool) {
        let dialler = Dialler { own: own.parse().unwrap(), team: "t".into(), source_port: None };
        let (to, local) = ("127.0.0.5:8103".parse().unwrap(), "127.0.0.9:55555".parse().unwrap());
        let (line, cut) = dialler.line(form, to, local, text).unwrap();
        (String::from_utf8(line).unwrap(), cut)
    }

    #[test]
    fn the_address_is_where_we_listen_or_in_brackets_theirs() {
        assert_eq!(line("127.0.0.1:8080", AddressForm::Plain, "hi").0, "127.0.0.1:8080 t hi");
        assert_eq!(line("0.0.0.0:8080", AddressForm::Plain, "hi").0, "127.0.0.9:8080 t hi");
        assert_eq!(line("127.0.0.1:8080", AddressForm::Bracketed, "a\nb").0, "<127.0.0.5:8080> t a b");
        assert_eq!(line("127.0.0.1:8080", AddressForm::Bracketed, "exit").0, "<127.0.0.5:8080> t quit");
        assert_eq!(line("127.0.0.1:8080", AddressForm::Plain, "exit").0, "127.0.0.1:8080 t exit");
    }

    #[test]
    fn a_message_fits_into_one_read() {
        let (whole, cut) = line("127.0.0.1:8080", AddressForm::Plain, &"é".repeat(502));
        assert!(!cut && whole.len() == 17 + 1_004);
        let (short, cut) = line("127.0.0.1:8080", AddressForm::Plain, &"é".repeat(600));
        assert!(cut && short.len() <= READ_LEN && short.ends_with("é\u{2026}"));
    }
}
