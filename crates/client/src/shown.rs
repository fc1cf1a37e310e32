//! What people see of a node's log and neighbours: one line each, in which no text of others looks like anything else.

use rumormill_api::{Foreign, LogLine, NeighbourInfo, UNKNOWN_DOOR};

/// One message: time, who, which room and what is to be doubted about it, then `: ` and the text to the end of the line.
///
/// An author is a word; what somebody has only claimed to be called stands in quotation marks, and nothing in it ends those.
/// So what stands before the first `: ` outside of quotation marks is never of the text, nor of a claim.
pub(crate) fn message(message: &LogLine, colours: bool) -> String {
    let (dim, bold, plain) = if colours { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let author = match &message.from {
        Some(name) => Foreign::new(name).name().to_string(),
        // No name has a colon.
        None => format!("key:{}", message.origin.chars().filter(char::is_ascii_hexdigit).take(8).collect::<String>()),
    };
    let who = match (&message.claimed, &message.door) {
        // The node that let it in has signed that it did.
        (Some(claimed), Some(door)) => {
            let door = if *door == UNKNOWN_DOOR { UNKNOWN_DOOR.to_owned() } else { door.as_foreign().word() };
            format!("{}/{door}? by {author}", claimed.as_foreign().quoted())
        }
        _ => author,
    };
    let room = if message.room == "" { String::new() } else { format!(" #{}", message.room.as_foreign().name()) };
    let late = if message.late { " (late)" } else { "" };
    let doubt = if message.verified { "" } else { " (unverified)" };
    let revoked = if message.revoked { " (revoked)" } else { "" };
    let text = message.text.as_foreign();
    format!("{dim}{}{plain} {bold}{who}{plain}{room}{dim}{revoked}{late}{doubt}{plain}: {}", message.time, text.whole())
}

/// A neighbour without a link.
pub(crate) fn neighbour(neighbour: &NeighbourInfo) -> String {
    let name = Foreign::new(neighbour.name.as_deref().unwrap_or("anybody")).name().to_string();
    let tries = match neighbour.tries {
        0 => String::new(),
        1 => "1 try, ".to_owned(),
        n => format!("{n} tries, "),
    };
    let last = neighbour.failed_s.map_or_else(|| "none yet".to_owned(), |s| format!("the last {s} s ago"));
    let next = neighbour.next_s.map_or_else(|| "trying".to_owned(), |s| format!("the next in {s} s"));
    let said = neighbour.said.as_ref().filter(|said| **said != "").map(|said| format!("; it said {said:?}"));
    let (reason, said) = (Foreign::new(&neighbour.reason), said.unwrap_or_default());
    let why = if neighbour.reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{name:<16} {:<22} no link ({tries}{last}, {next}){why}{said}", neighbour.addr)
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
