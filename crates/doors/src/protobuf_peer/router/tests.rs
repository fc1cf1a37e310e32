//! The machine alone: what follows what, to the frame, and what holds whatever comes.

use super::*;

mod greeting;
mod places;
mod random;
mod routes;
mod unread;

use Did::{Closed, Delivered, Joined, Sent as Gave, To, Told};

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Bench {
    router: Router<()>,
    now: Timestamp,
    next: LinkId,
}

/// What was done, with frames read back.
#[derive(Debug, PartialEq)]
enum Did {
    Sent(LinkId, ProtocolMessage),
    Closed(LinkId, Why),
    Joined(i64),
    Forged(LinkId, i64),
    Delivered(i64, String),
    Told(SendOutcome),
    To(usize),
}

impl Bench {
    fn new(id: i64) -> Self {
        Self { router: Router::new(id, Arc::default()), now: Timestamp::ZERO, next: 0 }
    }

    /// Nothing that it rejects does anything.
    fn feed(&mut self, input: Input<'_, ()>) -> Vec<Did> {
        let taken = self.router.handle(self.now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| self.router.poll_output()).collect();
        assert!(taken.is_ok() || outputs.is_empty(), "{taken:?}: {outputs:?}");
        let (mut outputs, mut did) = (VecDeque::from(outputs), Vec::new());
        while let Some(output) = outputs.pop_front() {
            if let Output::Send { link, frame, .. } = &output {
                // All of it is written at once, and what waited for that too.
                let _ = self.router.handle(self.now, Input::Written { link: *link, bytes: frame.len() });
                outputs.extend(std::iter::from_fn(|| self.router.poll_output()));
            }
            did.push(Self::did(output));
        }
        did
    }

    fn did(output: Output<()>) -> Did {
        match output {
            Output::Send { link, frame, .. } => Gave(link, ProtocolMessage::decode(&frame.whole()[4..]).unwrap()),
            Output::Close { link, why, .. } => Closed(link, why),
            Output::Joined(id) => Joined(id),
            Output::Forged { link, from } => Did::Forged(link, from),
            Output::Deliver { from, text } => Delivered(from, text),
            Output::Sent(sent) => Told(sent),
            Output::Receivers(count) => To(count),
        }
    }

    fn opened(&mut self, called: bool) -> (LinkId, Vec<Did>) {
        self.opened_from(LOCAL, called)
    }

    fn opened_from(&mut self, address: IpAddr, called: bool) -> (LinkId, Vec<Did>) {
        let link = self.next;
        self.next += 1;
        (link, self.feed(Input::Opened { link, address, called }))
    }

    fn hear(&mut self, link: LinkId, said: ProtocolMessage) -> Vec<Did> {
        self.feed(Input::Frame { link, said })
    }

    fn send(&mut self, to: i64, text: &str) -> Vec<Did> {
        self.feed(Input::Send { to, text: text.into() })
    }

    /// A peer dials in and says who it is.
    fn peer(&mut self, id: i64) -> (LinkId, Vec<Did>) {
        let (link, _) = self.opened(false);
        let did = self.hear(link, ProtocolMessage::Start { id });
        (link, did)
    }

    fn end(&mut self, link: LinkId) -> Vec<Did> {
        self.feed(Input::Closed { link })
    }
}

fn text(from: i64, to: i64, text: &str) -> ProtocolMessage {
    ProtocolMessage::Text { from, to, text: text.into() }
}

fn join(id: i64, via: i64) -> ProtocolMessage {
    ProtocolMessage::Join { id, via }
}
