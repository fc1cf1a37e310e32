//! Frames as bytes, right ones and others.

use rumormill_wire::NetworkId;
use rumormill_wire::native::{Bye, ByeCode, Frame, Hello};

/// A frame as bytes.
pub fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes).unwrap();
    bytes
}

/// Bytes as a frame of a kind, whatever they are.
pub fn raw_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 1).unwrap();
    [&len.to_be_bytes()[..], &[kind], payload].concat()
}

/// HELLO of a member of a network, of a program that does not say what it is.
pub fn hello(network: NetworkId, name: &str) -> Vec<u8> {
    encoded(&Frame::Hello(Hello { min: 1, max: 1, network, features: 0, name: name.into(), agent: "".into() }))
}

/// BYE with a reason.
pub fn bye(reason: &str) -> Vec<u8> {
    encoded(&Frame::Bye(Bye { code: ByeCode::OVERLOAD, retry_after_s: 0, reason: reason.into() }))
}
