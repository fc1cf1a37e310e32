//! What one connection says, message by message; pure.

use std::net::{IpAddr, SocketAddr};

use rumormill_wire::peer_line::{Line, QUIT, Sender, bare_port, is_exit, is_greeting, trim};

use super::table::AddressForm;
use crate::address::canonical;

/// New addresses that one connection may bring into the table.
pub(super) const MAX_NAMES: usize = 16;
/// What a program gets that waits for an answer to each of its messages.
pub(super) const RECEIVED: &str = "OK";

/// A message that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReceivedMessage {
    /// Who says it, if it says.
    pub who: Option<Who>,
    /// What it says; without a sender, all of it as it came.
    pub text: String,
    /// Whether the sender leaves by it.
    pub exit: bool,
}

/// Who sent a message, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// Where it listens, not where it speaks from.
    pub addr: SocketAddr,
    /// How it writes that.
    pub form: AddressForm,
    /// Its name; may be empty.
    pub team: String,
}

/// What one connection has said so far, by which its next message is understood.
#[derive(Debug)]
pub(super) struct InboundSession {
    from: IpAddr,
    opening: Opening,
    /// Of [`MAX_NAMES`], those that it brought.
    names: usize,
    /// Who spoke last here; who leaves, if the whole message is `exit`.
    last: Option<Who>,
}

/// One program opens with a line that is a port, and `CONNECT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Nothing was said yet.
    Silent,
    /// A line that is a port; `CONNECT` may follow.
    Port(u16),
    /// A port and `CONNECT`: what has no sender comes from there.
    Known(u16),
    /// It has begun like all others, with a message.
    Usual,
}

impl InboundSession {
    /// A connection from an address.
    #[must_use]
    pub(super) fn new(from: IpAddr) -> Self {
        Self { from: from.to_canonical(), opening: Opening::Silent, names: 0, last: None }
    }

    /// Where the connection comes from.
    #[must_use]
    pub(super) fn from(&self) -> IpAddr {
        self.from
    }

    /// Whether the other side waits for an answer to each message.
    #[must_use]
    pub(super) fn wants_answers(&self) -> bool {
        matches!(self.opening, Opening::Known(_))
    }

    /// Whether it has said a port and nothing else. Answered too early, it would glue its next message to its `CONNECT`; it
    /// is answered after a pause, in case it waits already.
    #[must_use]
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.opening, Opening::Port(_))
    }

    /// Whether the connection may bring in another address.
    #[must_use]
    pub(super) fn may_name(&self) -> bool {
        self.names < MAX_NAMES
    }

    /// The connection has brought in another address.
    pub(super) fn named(&mut self) {
        self.names = self.names.saturating_add(1);
    }

    /// Takes a message with what stands around it; gives what is to be shown.
    pub(super) fn message(&mut self, bytes: &[u8]) -> Vec<ReceivedMessage> {
        let message = trim(bytes);
        if message.is_empty() {
            return Vec::new();
        }
        // Characters may have been cut where the sender's buffer ended.
        let text = String::from_utf8_lossy(message);
        match self.opening {
            Opening::Silent => {
                if let Some(port) = bare_port(message) {
                    self.opening = Opening::Port(port);
                    return Vec::new();
                }
                self.opening = Opening::Usual;
            }
            Opening::Port(port) if is_greeting(&text) || Line::parse(text.as_bytes()).is_ok() => {
                self.opening = Opening::Known(port);
            }
            Opening::Port(_) => {
                let number = self.end();
                return number.into_iter().chain([self.heard(&text)]).collect();
            }
            Opening::Known(_) | Opening::Usual => {}
        }
        vec![self.heard(&text)]
    }

    /// Nothing more comes: a number alone was a message after all.
    pub(super) fn end(&mut self) -> Option<ReceivedMessage> {
        let Opening::Port(port) = self.opening else { return None };
        self.opening = Opening::Usual;
        Some(ReceivedMessage { who: None, text: port.to_string(), exit: false })
    }

    fn heard(&mut self, text: &str) -> ReceivedMessage {
        match Line::parse(text.as_bytes()) {
            Ok(line) => {
                let (addr, form) = match line.sender {
                    Sender::Plain(addr) => (canonical(addr), AddressForm::Plain),
                    Sender::Bracketed(addr) => (SocketAddr::new(self.from, addr.port()), AddressForm::Bracketed),
                };
                let who = Who { addr, form, team: line.team.unwrap_or_default().to_owned() };
                self.last = Some(who.clone());
                ReceivedMessage { who: Some(who), text: line.text.to_owned(), exit: line.is_exit() }
            }
            Err(_) => {
                let Opening::Known(port) = self.opening else {
                    let who = self.last.clone().filter(|last| leaves(text, last.form));
                    return ReceivedMessage { exit: who.is_some(), who, text: text.to_owned() };
                };
                let addr = SocketAddr::new(self.from, port);
                let who = Who { addr, form: AddressForm::Plain, team: String::new() };
                ReceivedMessage { who: Some(who), text: text.to_owned(), exit: is_exit(text) }
            }
        }
    }
}

/// Whether somebody who writes in this form leaves by a text.
fn leaves(text: &str, form: AddressForm) -> bool {
    is_exit(text) || form == AddressForm::Bracketed && text.eq_ignore_ascii_case(QUIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> InboundSession {
        InboundSession::new([127, 0, 0, 5].into())
    }

    fn one(session: &mut InboundSession, message: &[u8]) -> ReceivedMessage {
        let mut heard = session.message(message);
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    fn said(addr: &str, form: AddressForm, team: &str, text: &str) -> ReceivedMessage {
        let who = Who { addr: addr.parse().unwrap(), form, team: team.into() };
        ReceivedMessage { who: Some(who), text: text.into(), exit: false }
    }

    #[test]
    fn lines_with_and_without_a_sender() {
        let mut session = session();
        let plain = said("127.0.0.9:8080", AddressForm::Plain, "t", "hi  there");
        assert_eq!(one(&mut session, b" 127.0.0.9:8080 t hi  there\r\n\0\0"), plain);
        // The address in brackets is ours; the port is theirs.
        assert_eq!(
            one(&mut session, b"<127.0.0.1:8103> m hi"),
            said("127.0.0.5:8103", AddressForm::Bracketed, "m", "hi")
        );
        assert!(one(&mut session, b"<127.0.0.1:8103> m QUIT").exit && one(&mut session, b"127.0.0.1:1 m exit").exit);
        let unknown = ReceivedMessage { who: None, text: "10.103.45.601:8080 P1 hi".into(), exit: false };
        assert_eq!(one(&mut session, b"10.103.45.601:8080 P1 hi\n"), unknown);
        assert!(session.message(b" \r\n\0").is_empty());
        assert_eq!(one(&mut session, b"127.0.0.9:8080 t gr\xc3").text, "gr\u{fffd}", "a character that was cut");
        assert!(!session.wants_answers());
    }

    #[test]
    fn an_exit_alone_is_of_whoever_spoke_last() {
        let mut session = session();
        let nobody = ReceivedMessage { who: None, text: "exit".into(), exit: false };
        assert_eq!(one(&mut session, b"exit"), nobody);
        one(&mut session, b"127.0.0.9:8080 t hi");
        assert!(!one(&mut session, b"quit").exit && !one(&mut session, b"exit now").exit);
        let left = ReceivedMessage { exit: true, ..said("127.0.0.9:8080", AddressForm::Plain, "t", "EXIT") };
        assert_eq!(one(&mut session, b"EXIT\n"), left);
        one(&mut session, b"<127.0.0.1:8103> m hi");
        let left = ReceivedMessage { exit: true, ..said("127.0.0.5:8103", AddressForm::Bracketed, "m", "quit") };
        assert_eq!(one(&mut session, b"quit"), left);
    }

    #[test]
    fn one_program_opens_with_a_port() {
        let mut session = session();
        assert!(session.message(b"8103\n").is_empty() && session.is_opening() && !session.wants_answers());
        assert_eq!(one(&mut session, b"CONNECT"), said("127.0.0.5:8103", AddressForm::Plain, "", "CONNECT"));
        assert!(session.wants_answers() && !session.is_opening());
        assert_eq!(one(&mut session, b"hello"), said("127.0.0.5:8103", AddressForm::Plain, "", "hello"));
        assert!(one(&mut session, b"exit").exit && session.wants_answers());
    }

    #[test]
    fn a_number_is_not_always_a_port() {
        let mut first = session();
        assert!(first.message(b"42").is_empty());
        assert_eq!(first.end().unwrap().text, "42");
        assert_eq!(first.end(), None);
        let mut second = session();
        second.message(b"42");
        let texts: Vec<_> = second.message(b"is the answer").into_iter().map(|heard| heard.text).collect();
        assert_eq!(texts, ["42", "is the answer"]);
        assert_eq!(one(&mut second, b"43").text, "43", "only the first");
    }
}
