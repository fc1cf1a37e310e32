//! The body of a message that came through a plain door (P-B9): `door LF claimed LF text`.
//!
//! It is text, as the kind demands. Whether a body has this form decides how it is shown, not whether it is valid.

use nom::{
    Parser,
    bytes::complete::{tag, take_until},
    combinator::verify,
    error::Error,
};

/// The name of a door, in bytes.
pub const MAX_DOOR_LEN: usize = 32;
/// The name that a sender from outside claims, in bytes.
pub const MAX_CLAIMED_LEN: usize = 64;

/// A message that came through a plain door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridged<'a> {
    /// By which door: its kind, like `udp-mesh`.
    pub door: &'a str,
    /// The name that the sender claims. Nobody has proved it.
    pub claimed: &'a str,
    /// What it says: all behind the second line feed, which may hold more of them.
    pub text: &'a str,
}

impl<'a> Bridged<'a> {
    /// Reads the whole body; `None` if it has another form.
    #[must_use]
    pub fn parse(body: &'a str) -> Option<Self> {
        let (text, (door, claimed)) = (field(MAX_DOOR_LEN, 1), field(MAX_CLAIMED_LEN, 0)).parse(body).ok()?;
        Some(Self { door, claimed, text })
    }

    /// Appends the body. False, and nothing is appended, if it would not be read as the same.
    pub fn encode(&self, out: &mut String) -> bool {
        let fits = is_field(self.door, MAX_DOOR_LEN, 1) && is_field(self.claimed, MAX_CLAIMED_LEN, 0);
        if fits {
            for part in [self.door, "\n", self.claimed, "\n", self.text] {
                out.push_str(part);
            }
        }
        fits
    }
}

fn field<'a>(most: usize, least: usize) -> impl Parser<&'a str, Output = &'a str, Error = Error<&'a str>> {
    let line = verify(take_until("\n"), move |field: &str| is_field(field, most, least));
    (line, tag("\n")).map(|(field, _)| field)
}

fn is_field(text: &str, most: usize, least: usize) -> bool {
    (least..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_as_they_were_written() {
        for text in ["", "hi", "two\nlines\n", "\n"] {
            for claimed in ["", "A", "127.0.0.1:8080 blockchain"] {
                let bridged = Bridged { door: "udp-mesh", claimed, text };
                let mut body = String::new();
                assert!(bridged.encode(&mut body));
                assert_eq!(Bridged::parse(&body), Some(bridged));
            }
        }
    }

    #[test]
    fn other_bodies_are_none() {
        let long = format!("udp-mesh\n{}\nhi", "x".repeat(MAX_CLAIMED_LEN.saturating_add(1)));
        for body in ["", "hi", "udp-mesh\nA", "\nA\nhi", "udp\tmesh\nA\nhi", &long] {
            assert_eq!(Bridged::parse(body), None, "{body:?}");
        }
        let mut out = String::new();
        assert!(!Bridged { door: "", claimed: "A", text: "hi" }.encode(&mut out));
        assert!(!Bridged { door: "x", claimed: "A\n", text: "hi" }.encode(&mut out));
        assert!(out.is_empty());
    }
}
