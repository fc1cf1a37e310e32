//! Web pages: a browser lets a page on any site send a request to any port of this machine, and what it sends must not be
//! taken for this or that protocol's lines.

/// How requests of browsers begin.
const METHODS: [&[u8]; 9] =
    [b"GET /", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"PRI *"];

/// Whether a first line looks like that of an HTTP request (RFC 9112, 3). People write of HTTP too: whoever asks has seen
/// first that it is no message of its own protocol.
pub(crate) fn is_http(line: &[u8]) -> bool {
    METHODS.iter().any(|method| line.starts_with(method)) || line.windows(6).any(|part| part == b" HTTP/")
}

/// The first line of what came.
pub(crate) fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_browsers_are_known() {
        for request in
            ["GET / HTTP/1.1", "POST /x", "CONNECT a:1 HTTP/1.1", "x / HTTP/1.1", "PULL / HTTP/1.1", "PRI * HTTP/2.0"]
        {
            assert!(is_http(request.as_bytes()), "{request}");
        }
        for text in ["CONNECT", "8080", "getting there", "HTTP/1.1 is old", "PUSH IP:a MSG:HTTP/1.1 is old"] {
            assert!(!is_http(text.as_bytes()), "{text}");
        }
        assert_eq!(first_line(b"GET / HTTP/1.1\r\nHost: x"), b"GET / HTTP/1.1\r");
        assert_eq!(first_line(b""), b"");
    }
}
