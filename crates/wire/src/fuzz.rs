//! Bodies of the fuzz targets: what they assert, their seeds and their dictionaries.
//!
//! A body is generic over a [`Codec`], so that a test can plant a bug in one and see it found. It says what is wrong
//! instead of panicking; the eight lines in `fuzz/fuzz_targets` and the replay in `tests/corpus.rs` do that.

pub mod bridged;
pub mod builder;
pub mod classroom;
mod codec;
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

pub use codec::{Codec, Finding, canonical, claim, refused};
pub use stream::{Stream, any_split_is_whole, split_is_whole};

/// A fuzz target.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folders.
    pub name: &'static str,
    /// What holds for every input; one for which it does not is a defect.
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
