//! Bytes as hexadecimal digits (RFC 4648, section 8, in lower case): identifiers, and parts of a revocation list in JSON.

use core::fmt;

/// Bytes that are shown as hexadecimal digits in lower case, two each.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that a text of hexadecimal digits in either case names. Nothing if a digit is missing, or another sign is among them.
#[must_use]
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if odd.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

pub(crate) fn byte([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4) | digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_digits_and_nothing_else_is_read() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let text = Hex(&all).to_string();
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"));
        assert_eq!(bytes_of(&text), Some(all.clone()));
        assert_eq!(bytes_of(&text.to_uppercase()), Some(all));
        assert_eq!(bytes_of(""), Some(Vec::new()));
        for wrong in ["0", "012", "0g", "+1", " 1", "\u{fc}"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
