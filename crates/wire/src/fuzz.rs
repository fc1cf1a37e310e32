//! Bodies of the fuzz targets: what they assert, their seeds and their dictionaries.
//!
//! A body is generic over a [`Codec`], so that a test can plant a bug in one and see it found. It says what is wrong
//! instead of panicking; the eight lines in `fuzz/fuzz_targets` and the replay in `tests/corpus.rs` do that.

use core::fmt;

pub mod bridged;
pub mod builder;
pub mod classroom;
pub mod dict;
pub mod letter;
pub mod menu_mesh;
pub mod native;
pub mod peer_line;
pub mod protobuf_peer;
pub mod push_pull;
pub mod seeds;
mod stream;
pub mod udp_mesh;

pub use stream::{Stream, any_split_is_whole, split_is_whole};

/// What a body found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub String);

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Finding {}

/// Says what is wrong unless `holds`.
///
/// # Errors
/// It does not hold.
pub fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding(what())) }
}

/// A format under test.
pub trait Codec {
    /// What is read.
    type Value<'a>: PartialEq + fmt::Debug;

    /// Reads the whole input.
    ///
    /// # Errors
    /// The offset of the fault.
    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, usize>;

    /// Appends the encoding of a value that was read.
    ///
    /// # Errors
    /// Why it has none.
    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), String>;
}

/// What parses encodes to the same bytes, and a fault lies inside the input. Holds for the input, for two of its
/// beginnings and for the input with one byte more. Says whether the input parsed.
///
/// # Errors
/// What does not hold.
pub fn canonical<C: Codec>(codec: &C, bytes: &[u8]) -> Result<bool, Finding> {
    for part in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        canonical_once(codec, bytes.get(..part).unwrap_or_default())?;
    }
    canonical_once(codec, &[bytes, &[0]].concat())?;
    canonical_once(codec, bytes)
}

fn canonical_once<C: Codec>(codec: &C, bytes: &[u8]) -> Result<bool, Finding> {
    // An encoder appends: what stands there stays.
    let mut out = vec![0xa5];
    let value = match codec.parse(bytes) {
        Ok(value) => value,
        Err(offset) => {
            claim(offset <= bytes.len(), || format!("fault at {offset} of {} bytes", bytes.len()))?;
            return Ok(false);
        }
    };
    codec.encode(&value, &mut out).map_err(|why| Finding(format!("{value:?} parsed but has no encoding: {why}")))?;
    let (before, encoded) = out.split_at_checked(1).unwrap_or_default();
    claim(before == [0xa5], || "the encoder touched what stood before".to_owned())?;
    claim(encoded == bytes, || format!("{bytes:02x?} parsed, and encodes to {encoded:02x?}"))?;
    let again = codec.parse(encoded).map_err(|at| Finding(format!("its own encoding is refused at byte {at}")))?;
    claim(again == value, || format!("{value:?} came back as {again:?}"))?;
    Ok(true)
}

/// The encoder refuses a value, and leaves the output as it was.
///
/// # Errors
/// It does not.
pub fn refused<C: Codec>(codec: &C, value: &C::Value<'_>) -> Result<(), Finding> {
    let mut out = vec![0xa5];
    let done = codec.encode(value, &mut out);
    claim(done.is_err() && out == [0xa5], || format!("{value:?} encodes to {out:02x?}"))
}

/// A fuzz target.
pub struct Target {
    /// Its name, and that of its folders.
    pub name: &'static str,
    /// What it asserts.
    pub body: fn(&[u8]) -> Result<(), Finding>,
    /// Well formed inputs to begin from, each with a name.
    pub seeds: fn() -> Vec<(&'static str, Vec<u8>)>,
    /// Words of the format, each with a name.
    pub tokens: fn() -> Vec<(&'static str, Vec<u8>)>,
}

/// All targets of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "native_frame", body: native::frame, seeds: seeds::frames, tokens: dict::native },
    Target { name: "native_stream", body: native::stream, seeds: seeds::streams, tokens: dict::native },
    Target { name: "bundle", body: native::bundle, seeds: seeds::bundles, tokens: dict::native },
    Target { name: "builder", body: builder::builder, seeds: seeds::pushes, tokens: dict::native },
    Target { name: "bridged", body: bridged::bridged, seeds: seeds::bridged, tokens: dict::bridged },
    Target { name: "letter", body: letter::letter, seeds: seeds::letters, tokens: dict::letter },
    Target { name: "status", body: native::status, seeds: seeds::statuses, tokens: dict::native },
    Target { name: "revocation", body: native::revocation, seeds: seeds::revocations, tokens: dict::native },
    Target { name: "push_pull", body: push_pull::push_pull, seeds: seeds::push_pull, tokens: dict::push_pull },
    Target { name: "peer_line", body: peer_line::peer_line, seeds: seeds::peer_line, tokens: dict::peer_line },
    Target { name: "menu_mesh", body: menu_mesh::menu_mesh, seeds: seeds::menu_mesh, tokens: dict::menu_mesh },
    Target { name: "relay_43110", body: push_pull::relay, seeds: seeds::relay, tokens: dict::relay },
    Target {
        name: "protobuf_peer",
        body: protobuf_peer::frames,
        seeds: seeds::protobuf_peer,
        tokens: dict::protobuf_peer,
    },
    Target { name: "udp_mesh", body: udp_mesh::udp_mesh, seeds: seeds::udp_mesh, tokens: dict::udp_mesh },
    Target { name: "classroom_proxy", body: classroom::proxy, seeds: seeds::proxy_lines, tokens: dict::classroom },
    Target {
        name: "classroom_process",
        body: classroom::process,
        seeds: seeds::process_lines,
        tokens: dict::classroom,
    },
    Target { name: "classroom_reply", body: classroom::reply, seeds: seeds::reply_lines, tokens: dict::classroom },
];
