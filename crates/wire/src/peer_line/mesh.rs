//! The menu chat as the mesh carries it: `TO FROM team text`, the body of a chat message in a room of its own
//! (docs/protocol.md, M). `TO` is an address or `*`.

use core::net::{IpAddr, SocketAddr};

use super::address::{AddressText, Parse, address, after, check};
use super::{EXIT, PeerLineEncodeError, PeerLineError, PeerLineFault};
use crate::parse::{ensure, fault, run, utf8};

/// The room (P-M1).
pub const ROOM: &str = "menu";
/// Everybody, where the receiver stands (P-M2).
pub const EVERYBODY: &str = "*";
/// What a menu says to everybody when it begins (P-M3); it ends with [`EXIT`].
pub const ONLINE: &str = "online";
/// A team, in bytes.
pub const MAX_TEAM_LEN: usize = 32;
/// A text, in bytes.
pub const MAX_TEXT_LEN: usize = 4_096;

/// For whom a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everybody, written `*`.
    All,
    /// The menu with this address, which shows it alone (P-M5).
    One(SocketAddr),
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeshLine<'a> {
    /// The menu that shows it, or all.
    pub to: To,
    /// The menu that says it.
    pub from: SocketAddr,
    /// Its name: one word.
    pub team: &'a str,
    /// What it says: one line, not empty.
    pub text: &'a str,
}

/// Whether a menu can have that address (P-M2).
#[must_use]
pub fn is_menu(addr: SocketAddr) -> bool {
    let one_form = match addr {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().is_none() && v6.scope_id() == 0,
    };
    one_form && addr.port() > 0 && !addr.ip().is_unspecified() && !is_multicast(addr.ip())
}

fn is_multicast(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::from([255; 4])
}

impl<'a> MeshLine<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// It has another form, and is nothing to a menu.
    pub fn parse(body: &'a [u8]) -> Result<Self, PeerLineError> {
        run(body, PeerLineFault::Trailing, line).map_err(|(offset, reason)| PeerLineError { offset, reason })
    }

    /// Appends the body of the chat message that carries it.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PeerLineEncodeError> {
        let (mut to, mut from) = (AddressText::new(), AddressText::new());
        check(is_menu(self.from) && from.set(self.from).is_ok(), PeerLineFault::Address)?;
        let to = match self.to {
            To::All => EVERYBODY,
            To::One(addr) => {
                check(is_menu(addr) && to.set(addr).is_ok(), PeerLineFault::Address)?;
                to.as_str()
            }
        };
        check(is_team(self.team), PeerLineFault::Team)?;
        check(!self.text.is_empty(), PeerLineFault::NoText)?;
        check(self.text.len() <= MAX_TEXT_LEN, PeerLineFault::Length)?;
        check(!self.text.chars().any(char::is_control), PeerLineFault::Control)?;
        [to, " ", from.as_str(), " ", self.team, " ", self.text]
            .iter()
            .for_each(|part| out.extend_from_slice(part.as_bytes()));
        Ok(())
    }

    /// Whether a menu begins by this.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.to == To::All && self.text == ONLINE
    }

    /// Whether a menu ends by this.
    #[must_use]
    pub fn is_farewell(&self) -> bool {
        self.to == To::All && self.text == EXIT
    }
}

fn is_team(word: &str) -> bool {
    (1..=MAX_TEAM_LEN).contains(&word.len()) && !word.chars().any(|c| c == ' ' || c.is_control())
}

fn line(input: &[u8]) -> Parse<'_, MeshLine<'_>> {
    let (rest, to) = match after(EVERYBODY, input) {
        Some(rest) => (rest, To::All),
        None => menu(input).map(|(rest, addr)| (rest, To::One(addr)))?,
    };
    let (rest, from) = menu(space(rest)?.0)?;
    let words = space(rest)?.0;
    let Some((team, text)) = utf8(words, words, PeerLineFault::Utf8)?.split_once(' ') else {
        return fault(&[], PeerLineFault::NoText);
    };
    ensure(is_team(team), words, PeerLineFault::Team)?;
    let at_text = space(words.get(team.len()..).unwrap_or_default())?.0;
    ensure(!text.is_empty(), at_text, PeerLineFault::NoText)?;
    ensure(text.len() <= MAX_TEXT_LEN, at_text.get(MAX_TEXT_LEN..).unwrap_or_default(), PeerLineFault::Length)?;
    if let Some(at) = text.find(char::is_control) {
        return fault(at_text.get(at..).unwrap_or_default(), PeerLineFault::Control);
    }
    Ok((&[], MeshLine { to, from, team, text }))
}

fn menu(input: &[u8]) -> Parse<'_, SocketAddr> {
    let (rest, addr) = address(input)?;
    ensure(is_menu(addr), input, PeerLineFault::Address)?;
    Ok((rest, addr))
}

fn space(input: &[u8]) -> Parse<'_, ()> {
    match after(" ", input) {
        Some(rest) => Ok((rest, ())),
        None => fault(input, PeerLineFault::NoText),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MeshLine<'_>, (usize, PeerLineFault)> {
        MeshLine::parse(text.as_bytes()).map_err(|why| (why.offset, why.reason))
    }

    #[test]
    fn lines_for_one_and_for_everybody() {
        let [a, b] = ["127.0.0.1:8080", "[::1]:9090"].map(|addr| addr.parse().unwrap());
        let line = MeshLine { to: To::One(b), from: a, team: "blockchain", text: "hello,  grüße " };
        assert_eq!(read("[::1]:9090 127.0.0.1:8080 blockchain hello,  grüße "), Ok(line));
        let online = MeshLine { to: To::All, from: a, team: "t", text: ONLINE };
        assert_eq!(read("* 127.0.0.1:8080 t online"), Ok(online));
        let exit = MeshLine { text: EXIT, ..online };
        assert!(online.is_online() && !online.is_farewell() && exit.is_farewell() && !exit.is_online());
        // Said to one, they are texts.
        for text in [ONLINE, EXIT] {
            let line = MeshLine { to: To::One(b), text, ..online };
            assert!(!line.is_online() && !line.is_farewell());
        }
        assert!(!MeshLine { text: "EXIT", ..online }.is_farewell(), "one form");
    }

    #[test]
    fn each_way_to_get_it_wrong() {
        use PeerLineFault as F;
        let long = format!("* 10.0.0.1:1 t {}", "x".repeat(MAX_TEXT_LEN + 1));
        let name = format!("* 10.0.0.1:1 {} hi", "x".repeat(MAX_TEAM_LEN + 1));
        for (text, offset, reason) in [
            ("", 0, F::Address),
            ("hello", 0, F::Address),
            ("**", 1, F::NoText),
            ("*", 1, F::NoText),
            ("* ", 2, F::Address),
            ("* 10.0.0.1:1", 12, F::NoText),
            ("* 10.0.0.1:1 ", 13, F::NoText),
            ("* 10.0.0.1:1 t", 14, F::NoText),
            ("* 10.0.0.1:1 t ", 15, F::NoText),
            ("* 10.0.0.1:1> t hi", 12, F::NoText),
            ("* <10.0.0.1:1> t hi", 2, F::Address),
            ("* 10.0.0.1:1  hi", 13, F::Team),
            ("* 10.0.0.1:1 t\u{7f} hi", 13, F::Team),
            ("* 10.0.0.1:0 t hi", 2, F::Address),
            ("* 10.0.0.1:01 t hi", 2, F::Address),
            ("* 0.0.0.0:1 t hi", 2, F::Address),
            ("* 224.0.0.1:1 t hi", 2, F::Address),
            ("* 255.255.255.255:1 t hi", 2, F::Address),
            ("* [::ffff:10.0.0.1]:1 t hi", 2, F::Address),
            ("* [fe80::1%2]:1 t hi", 2, F::Address),
            ("[::]:1 10.0.0.1:1 t hi", 0, F::Address),
            ("10.0.0.2:1  10.0.0.1:1 t hi", 11, F::Address),
            ("* 10.0.0.1:1 t a\nb", 16, F::Control),
            ("* 10.0.0.1:1 t \u{1b}[2J", 15, F::Control),
            (&long, 15 + MAX_TEXT_LEN, F::Length),
            (&name, 13, F::Team),
        ] {
            assert_eq!(read(text), Err((offset, reason)), "{text:?}");
        }
        assert_eq!(MeshLine::parse(b"* 10.0.0.1:1 t a\xff"), Err(PeerLineError { offset: 16, reason: F::Utf8 }));
    }

    #[test]
    fn what_would_read_differently_is_not_made() {
        use PeerLineFault as F;
        let from = "10.0.0.1:1".parse().unwrap();
        let good = MeshLine { to: To::All, from, team: "t", text: "hi" };
        let (none, mapped) = ("0.0.0.0:1".parse().unwrap(), "[::ffff:10.0.0.1]:1".parse().unwrap());
        let long = "x".repeat(MAX_TEXT_LEN + 1);
        let mut out = vec![7];
        for (line, reason) in [
            (MeshLine { from: none, ..good }, F::Address),
            (MeshLine { to: To::One(mapped), ..good }, F::Address),
            (MeshLine { team: "", ..good }, F::Team),
            (MeshLine { team: "a b", ..good }, F::Team),
            (MeshLine { text: "", ..good }, F::NoText),
            (MeshLine { text: "a\tb", ..good }, F::Control),
            (MeshLine { text: &long, ..good }, F::Length),
        ] {
            assert_eq!(line.encode(&mut out), Err(PeerLineEncodeError(reason)));
        }
        assert_eq!(out, [7], "the output is as before");
        good.encode(&mut out).unwrap();
        assert_eq!(&out[1..], b"* 10.0.0.1:1 t hi");
    }
}
