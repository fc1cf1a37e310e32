//! The first frame of a link and the last: HELLO (P-F6) and BYE (P-F8).

use nom::{
    Parser,
    number::complete::{be_u16, be_u32},
};

use super::error::{EncodeError, WireFault};
use super::prim::{Parse, array, ensure, put_text8, text8};
use super::types::{Bye, ByeCode, Hello};
use super::{MAX_AGENT_LEN, MAX_NAME_LEN, MAX_REASON_LEN};
use crate::{Foreign, NetworkId};

const fn in_order(min: u16, max: u16) -> bool {
    1 <= min && min <= max
}

pub(super) fn decode_hello(input: &[u8]) -> Parse<'_, Hello<'_>> {
    let (rest, (min, max)) = (be_u16, be_u16).parse(input)?;
    ensure(in_order(min, max), input, WireFault::Versions)?;
    let (rest, (network, features, name, agent)) = (
        array.map(NetworkId),
        be_u32,
        text8(1, MAX_NAME_LEN, WireFault::NameLength),
        text8(0, MAX_AGENT_LEN, WireFault::AgentLength),
    )
        .parse(rest)?;
    let (name, agent) = (Foreign::new(name), Foreign::new(agent));
    Ok((rest, Hello { min, max, network, features, name, agent }))
}

pub(super) fn encode_hello(hello: &Hello<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if !in_order(hello.min, hello.max) {
        return Err(EncodeError(WireFault::Versions));
    }
    out.extend_from_slice(&hello.min.to_be_bytes());
    out.extend_from_slice(&hello.max.to_be_bytes());
    out.extend_from_slice(hello.network.as_bytes());
    out.extend_from_slice(&hello.features.to_be_bytes());
    put_text8(out, hello.name.as_raw(), 1, MAX_NAME_LEN, WireFault::NameLength)?;
    put_text8(out, hello.agent.as_raw(), 0, MAX_AGENT_LEN, WireFault::AgentLength)
}

pub(super) fn decode_bye(input: &[u8]) -> Parse<'_, Bye<'_>> {
    (be_u16.map(ByeCode), be_u16, text8(0, MAX_REASON_LEN, WireFault::ReasonLength))
        .map(|(code, retry_after_s, reason)| Bye { code, retry_after_s, reason: Foreign::new(reason) })
        .parse(input)
}

pub(super) fn encode_bye(bye: &Bye<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.extend_from_slice(&bye.code.0.to_be_bytes());
    out.extend_from_slice(&bye.retry_after_s.to_be_bytes());
    put_text8(out, bye.reason.as_raw(), 0, MAX_REASON_LEN, WireFault::ReasonLength)
}
