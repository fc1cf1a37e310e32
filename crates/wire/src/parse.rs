//! What all parsers here share: nom over borrowed bytes, with faults that know where they begin.

use nom::{
    IResult, Parser,
    error::{ErrorKind, ParseError},
};

/// What a format says where nom only knows that bytes are wanting or do not fit.
pub(crate) trait Reason: Copy {
    /// The input ends inside a value.
    const TRUNCATED: Self;
}

/// A fault and what was left of the input where it begins; becomes an offset once the start is known.
#[derive(Debug)]
pub(crate) struct Fault<'a, R> {
    pub(crate) rest: &'a [u8],
    pub(crate) reason: R,
}

impl<'a, R: Reason> ParseError<&'a [u8]> for Fault<'a, R> {
    // The parsers taken from nom are used so that they fail only for want of bytes.
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Self { rest, reason: R::TRUNCATED }
    }
    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

pub(crate) type Parse<'a, T, R> = IResult<&'a [u8], T, Fault<'a, R>>;

/// A fault that begins where `rest` does.
pub(crate) fn fault<T, R>(rest: &[u8], reason: R) -> Parse<'_, T, R> {
    Err(nom::Err::Failure(Fault { rest, reason }))
}

/// Goes on only when `holds`; the fault begins where `rest` does.
pub(crate) fn ensure<R>(holds: bool, rest: &[u8], reason: R) -> Result<(), nom::Err<Fault<'_, R>>> {
    if holds { Ok(()) } else { Err(nom::Err::Failure(Fault { rest, reason })) }
}

/// Bytes as text; the fault points at the first byte that is none. `rest` begins where `bytes` does and goes on to the
/// end of the input.
pub(crate) fn utf8<'a, R>(bytes: &'a [u8], rest: &'a [u8], reason: R) -> Result<&'a str, nom::Err<Fault<'a, R>>> {
    core::str::from_utf8(bytes)
        .map_err(|e| nom::Err::Failure(Fault { rest: rest.get(e.valid_up_to()..).unwrap_or_default(), reason }))
}

/// What of `start` lies before `rest`, its own tail.
pub(crate) fn before<'a>(start: &'a [u8], rest: &[u8]) -> &'a [u8] {
    start.get(..start.len().saturating_sub(rest.len())).unwrap_or_default()
}

/// Runs a parser over the whole input; what it leaves is a fault named `trailing`. A fault comes with its offset.
pub(crate) fn run<'a, T, R: Reason>(
    input: &'a [u8],
    trailing: R,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a, R>>,
) -> Result<T, (usize, R)> {
    let fault = match parser.parse(input) {
        Ok(([], value)) => return Ok(value),
        Ok((rest, _)) => Fault { rest, reason: trailing },
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => fault,
        Err(nom::Err::Incomplete(_)) => Fault { rest: &[], reason: R::TRUNCATED },
    };
    Err((before(input, fault.rest).len(), fault.reason))
}
