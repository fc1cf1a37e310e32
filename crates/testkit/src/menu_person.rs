//! Somebody at a menu, by pipes, with everything that it prints, byte for byte; and the work plan of four of them.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Long enough for a machine whose two cores are busy.
pub const SOON: Duration = Duration::from_secs(30);
/// The menu, as it is printed before each choice.
pub const MENU: &str =
    "***** Menu *****\n1. Send message\n2. Query active peers\n3. Connect to active peers\n0. Quit\nEnter choice: ";
/// What is asked for a message.
pub const SEND: &str = "Enter the recipient's IP address: Enter the recipient's port number: Enter your message: ";

/// A menu, its pipes, and what it is to have printed.
pub struct Person {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn AsyncRead + Send>>,
    seen: Vec<u8>,
    /// What it is to have printed until now.
    pub expected: String,
    /// Where its menu listens.
    pub addr: SocketAddr,
    /// Resolves when the menu has ended; whether well.
    done: Pin<Box<dyn Future<Output = bool> + Send>>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("addr", &self.addr).field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl Person {
    /// At a menu that begins and will have that address.
    pub fn new(
        addr: SocketAddr,
        input: impl AsyncWrite + Send + 'static,
        output: impl AsyncRead + Send + 'static,
        done: impl Future<Output = bool> + Send + 'static,
    ) -> Self {
        let (input, output, done) = (Box::pin(input), Box::pin(output), Box::pin(done));
        Self { input, output, seen: Vec::new(), expected: String::new(), addr, done }
    }

    /// Gives its name and port.
    pub async fn comes(mut self, name: &str) -> Self {
        let port = self.addr.port();
        let hello = format!("Enter your name: Enter your port number: Server listening on port {port}\n{MENU}");
        self.types(&format!("{name}\n{port}\n")).await;
        self.prints(&hello).await;
        self
    }

    /// Types this, line ends included.
    pub async fn types(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).await.unwrap();
    }

    /// The end of the input.
    pub async fn falls_silent(&mut self) {
        self.input.shutdown().await.unwrap();
        // A pipe is closed when it is dropped.
        self.input = Box::pin(tokio::io::sink());
    }

    /// Waits until that much is printed; compares all of it.
    pub async fn prints(&mut self, text: &str) {
        self.expected.push_str(text);
        let read = async {
            while self.seen.len() < self.expected.len() {
                let mut buffer = [0; 1_024];
                let bytes = self.output.read(&mut buffer).await.unwrap();
                if bytes == 0 {
                    return false;
                }
                self.seen.extend_from_slice(&buffer[..bytes]);
            }
            true
        };
        let whole = timeout(SOON, read).await;
        assert_eq!(String::from_utf8_lossy(&self.seen), self.expected, "{whole:?}");
    }

    /// Sends a message by the menu.
    pub async fn sends(&mut self, to: SocketAddr, text: &str) {
        self.types(&format!("1\n{}\n{}\n{text}\n", to.ip(), to.port())).await;
        self.prints(&format!("{SEND}{MENU}")).await;
    }

    /// A line that arrives while the menu stands there.
    pub async fn hears(&mut self, line: &str) {
        self.prints(&format!("\n{line}\n{MENU}")).await;
    }

    /// Asks for the peers; these are all of them.
    pub async fn lists(&mut self, peers: &[SocketAddr]) {
        self.types("2\n").await;
        let list = match peers {
            [] => "No connected Peers\n".to_owned(),
            peers => {
                (1..).zip(peers).fold("Connected Peers:\n".to_owned(), |text, (n, p)| text + &format!("{n}. {p}\n"))
            }
        };
        self.prints(&format!("{list}{MENU}")).await;
    }

    /// Nothing more is printed than what was expected.
    pub async fn ends(mut self) {
        self.expected.push_str("Exiting\n");
        timeout(SOON, self.output.read_to_end(&mut self.seen)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&self.seen), self.expected);
        assert!(timeout(SOON, self.done).await.unwrap());
    }

    /// It was killed, and is gone.
    pub async fn goes(self) {
        assert!(!timeout(SOON, self.done).await.unwrap());
    }
}

/// The work plan: alpha, beta, gamma and delta, who have just come. Whatever carries the messages, the same is printed.
pub async fn work_plan([mut a, mut b, mut c, mut d]: [Person; 4]) {
    let (at_a, at_b, at_c, at_d) = (a.addr, b.addr, c.addr, d.addr);
    a.lists(&[]).await;

    a.sends(at_b, "hello").await;
    b.hears(&format!("{at_a} alpha hello")).await;
    b.sends(at_c, "good morning, grüße").await;
    c.hears(&format!("{at_b} beta good morning, grüße")).await;
    c.sends(at_d, "two  spaces").await;
    d.hears(&format!("{at_c} gamma two  spaces")).await;
    d.sends(at_a, "hi").await;
    a.hears(&format!("{at_d} delta hi")).await;
    a.sends(at_c, "hello again").await;
    c.hears(&format!("{at_a} alpha hello again")).await;
    a.sends(at_c, "once more").await;
    c.hears(&format!("{at_a} alpha once more")).await;

    a.lists(&[at_d]).await;
    b.lists(&[at_a]).await;
    c.lists(&[at_b, at_a]).await;
    d.lists(&[at_c]).await;

    // It knows whom it heard and whom it wrote to; each is a connected peer afterwards, on both sides.
    d.types("3\n").await;
    d.prints(&format!("Connected to {at_c}\nConnected to {at_a}\n{MENU}")).await;
    c.hears(&format!("{at_d} delta connect")).await;
    a.hears(&format!("{at_d} delta connect")).await;
    d.lists(&[at_c, at_a]).await;
    c.lists(&[at_b, at_a, at_d]).await;

    // An exit by hand is the same as leaving, for that one peer.
    b.sends(at_c, "EXIT").await;
    c.hears(&format!("{at_b} beta EXIT\n{at_b} beta left")).await;
    c.lists(&[at_a, at_d]).await;

    a.types("0\n").await;
    a.ends().await;
    // `b` and `c` never wrote to `a`; it wrote to them, so they are told as well.
    for person in [&mut b, &mut c, &mut d] {
        person.hears(&left(at_a, "alpha")).await;
    }
    b.lists(&[]).await;
    d.lists(&[at_c]).await;

    b.types("3\n").await;
    b.prints(&format!("Connected to {at_c}\n{MENU}")).await;
    c.hears(&format!("{at_b} beta connect")).await;
    // The end of the input is an exit too.
    d.falls_silent().await;
    d.ends().await;
    c.hears(&left(at_d, "delta")).await;
    c.lists(&[at_b]).await;
    c.types("0\n").await;
    c.ends().await;
    b.hears(&left(at_c, "gamma")).await;
    b.types("0\n").await;
    b.ends().await;
}

/// An exit, and that its sender left.
pub fn left(peer: SocketAddr, name: &str) -> String {
    format!("{peer} {name} exit\n{peer} {name} left")
}
