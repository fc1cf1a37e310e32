//! What a connection to a port of plain text says first. A browser lets a page on any site send bytes of its choice to any port of
//! this machine: as a request of HTTP, or inside a TLS hello or another binary protocol, where a ticket or a name may hold whole
//! lines. The bytes before those are never the page's own, so whoever begins with what is no text is closed, counted as
//! `malformed`, and nothing of it is taken. Ports whose frames begin with a binary length have no need of this.

/// A handshake record of TLS (RFC 8446, 5.1): its type, and the first byte of any version.
const TLS: &[u8] = b"\x16\x03";
/// How requests of browsers begin.
const METHODS: [&[u8]; 9] =
    [b"GET /", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"PRI *"];

/// What a protocol itself makes of the first that is said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpeningKind {
    /// A message of its own, whatever the text says: people write of HTTP, and in other character sets.
    Message,
    /// Begins like a command of its own. So may a request of HTTP, whose method is the page's choice.
    Command,
    /// Neither: it may be text all the same.
    Unknown,
}

/// Who speaks here is no program of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    #[error("a TLS hello")]
    Tls,
    #[error("a beginning that is no text")]
    Binary,
    #[error("a first line of HTTP")]
    Http,
}

/// Looks at the first that is said, which is not empty.
///
/// # Errors
/// The connection is to be closed, and nothing of it taken.
pub(crate) fn check(first: &[u8], form: OpeningKind) -> Result<(), Stranger> {
    if first.starts_with(TLS) {
        return Err(Stranger::Tls);
    }
    if form == OpeningKind::Unknown && !is_text(first) {
        return Err(Stranger::Binary);
    }
    if form != OpeningKind::Message && is_http(first.split(|byte| *byte == b'\n').next().unwrap_or_default()) {
        return Err(Stranger::Http);
    }
    Ok(())
}

/// UTF-8 whose only controls are blanks and line ends. Its last character may have been cut where the sender's buffer ended.
fn is_text(bytes: &[u8]) -> bool {
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(why) if why.error_len().is_none() => {
            bytes.get(..why.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.contains(|c: char| c.is_control() && !c.is_whitespace())
}

/// Whether a first line looks like that of an HTTP request (RFC 9112, 3).
fn is_http(line: &[u8]) -> bool {
    METHODS.iter().any(|method| line.starts_with(method)) || line.windows(6).any(|part| part == b" HTTP/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_browsers_are_known() {
        for request in
            ["GET / HTTP/1.1", "POST /x", "CONNECT a:1 HTTP/1.1", "x / HTTP/1.1", "PULL / HTTP/1.1", "PRI * HTTP/2.0"]
        {
            let request = format!("{request}\r\nHost: x\r\n");
            assert_eq!(check(request.as_bytes(), OpeningKind::Unknown), Err(Stranger::Http), "{request}");
            assert_eq!(check(request.as_bytes(), OpeningKind::Command), Err(Stranger::Http), "{request}");
            assert_eq!(check(request.as_bytes(), OpeningKind::Message), Ok(()), "{request}");
        }
        for text in
            ["CONNECT", "8080", "getting there", "HTTP/1.1 is old", "PUSH IP:a MSG:HTTP/1.1 is old", "x\ny HTTP/"]
        {
            assert_eq!(check(text.as_bytes(), OpeningKind::Unknown), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_begins_with_no_text_is_known() {
        for form in [OpeningKind::Message, OpeningKind::Command, OpeningKind::Unknown] {
            assert_eq!(check(b"\x16\x03\x01\x02\0\x01\0", form), Err(Stranger::Tls));
        }
        // STUN, a terminal's keys, another character set.
        for bytes in [&b"\0\x03\0\x60!\x12\xa4B"[..], b"\x1b[2J", b"\x7f", b"hi \xff there", b"\xc3("] {
            assert_eq!(check(bytes, OpeningKind::Unknown), Err(Stranger::Binary), "{bytes:?}");
            assert_eq!(check(bytes, OpeningKind::Message), Ok(()), "{bytes:?}");
            assert_eq!(check(bytes, OpeningKind::Command), Ok(()), "{bytes:?}");
        }
        for text in [&b"\xef\xbb\xbfone\ttwo \r\n"[..], "gr\u{fc}\u{df}".as_bytes(), b"cut gr\xc3", b"two\nlines"] {
            assert_eq!(check(text, OpeningKind::Unknown), Ok(()), "{text:?}");
        }
    }
}
