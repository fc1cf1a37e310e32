//! A fuzz body that finds no planted bug proves nothing: each bug here has to be found, in the way a fuzzer would find it,
//! by seeds changed with words of the dictionary. The sound codec has to stand the same.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rumormill_wire::classroom::{ProcessLine, ProxyLine};
use rumormill_wire::fuzz::classroom::{ProxyLines, typed_with};
use rumormill_wire::fuzz::menu_mesh::{MeshLines, mesh_with};
use rumormill_wire::fuzz::native::{
    Bundles, Frames, Revocations, bundle_with, frame_with, revocation_with, status_with, stream_with,
};
use rumormill_wire::fuzz::peer_line::{Lines, line_with};
use rumormill_wire::fuzz::protobuf_peer::{Bodies, frames_with};
use rumormill_wire::fuzz::push_pull::{RelayFrames, Requests, relay_with, request_with};
use rumormill_wire::fuzz::udp_mesh::{Datagrams, datagram_with};
use rumormill_wire::fuzz::{Codec, Finding, Stream, TARGETS};
use rumormill_wire::native::{BundleView, Coverage, Frame, RevocationPart, WireError};
use rumormill_wire::peer_line::{Line, mesh::MeshLine};
use rumormill_wire::protobuf_peer::check_body;
use rumormill_wire::push_pull::{Request, relay::RelayFrame};
use rumormill_wire::udp_mesh::Datagram;

/// Every seed of a target, as it is and with every word put in, and put over, at every place.
fn inputs(target: &str) -> impl Iterator<Item = Vec<u8>> {
    let target = TARGETS.iter().find(|t| t.name == target).unwrap();
    let mut tokens: Vec<_> = (target.tokens)().into_iter().map(|(_, token)| token).collect();
    tokens.extend([vec![b'0'], vec![b' '], vec![b'\r'], vec![0]]);
    (target.seeds)().into_iter().flat_map(move |(_, seed)| {
        let mut inputs = vec![seed.clone()];
        for at in 0..=seed.len().min(60) {
            let (before, after) = seed.split_at(at);
            for token in &tokens {
                let over = after.get(token.len()..).unwrap_or_default();
                inputs.extend([[before, token, after].concat(), [before, token, over].concat()]);
            }
        }
        inputs
    })
}

fn found(target: &str, body: impl Fn(&[u8]) -> Result<(), Finding>) -> Option<Finding> {
    inputs(target).find_map(|input| body(&input).err())
}

/// A frame codec with a bug in one of its two halves.
struct BadFrames {
    decode: for<'a> fn(&'a [u8]) -> Result<Frame<'a>, WireError>,
    encode: fn(&Frame<'_>, &mut Vec<u8>) -> Result<(), String>,
}

const SOUND: BadFrames =
    BadFrames { decode: |bytes| Frame::decode(bytes), encode: |frame, out| Frames.encode(frame, out) };

impl Codec for BadFrames {
    type Value<'a> = Frame<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, usize> {
        match (self.decode)(bytes).map_err(|e| e.offset)? {
            Frame::Unknown(_) => Err(0),
            frame => Ok(frame),
        }
    }

    fn encode(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        (self.encode)(frame, out)
    }
}

#[test]
fn the_sound_codecs_stand() {
    assert_eq!(found("native_frame", |input| frame_with(&SOUND, input)), None);
    assert_eq!(found("status", |input| status_with(&SOUND, input)), None);
    for target in TARGETS {
        assert_eq!(found(target.name, target.body), None, "{}", target.name);
    }
}

#[test]
fn bytes_left_over_are_found() {
    fn decode(bytes: &[u8]) -> Result<Frame<'_>, WireError> {
        Frame::decode(bytes).or_else(|e| Frame::decode(&bytes[..e.offset]).map_err(|_| e))
    }
    assert!(found("native_frame", |input| frame_with(&BadFrames { decode, ..SOUND }, input)).is_some());
}

#[test]
fn an_offset_outside_the_input_is_found() {
    fn decode(bytes: &[u8]) -> Result<Frame<'_>, WireError> {
        Frame::decode(bytes).map_err(|e| WireError { offset: e.offset + 1, ..e })
    }
    assert!(found("native_frame", |input| frame_with(&BadFrames { decode, ..SOUND }, input)).is_some());
}

#[test]
fn a_flag_lost_by_the_encoder_is_found() {
    let encode = |frame: &Frame<'_>, out: &mut Vec<u8>| match frame {
        Frame::Status(status) => {
            let mut status = status.clone();
            status.want_status = false;
            Frames.encode(&Frame::Status(status), out)
        }
        frame => Frames.encode(frame, out),
    };
    assert!(found("native_frame", |input| frame_with(&BadFrames { encode, ..SOUND }, input)).is_some());
}

#[test]
fn a_decoder_that_forgets_the_coverage_is_found() {
    fn decode(bytes: &[u8]) -> Result<Frame<'_>, WireError> {
        Frame::decode(bytes).map(|frame| match frame {
            Frame::Status(mut status) => {
                status.coverage = Coverage::Listed;
                Frame::Status(status)
            }
            frame => frame,
        })
    }
    assert!(found("status", |input| status_with(&BadFrames { decode, ..SOUND }, input)).is_some());
}

/// Takes what is there for the whole frame.
struct Hasty;

impl Codec for Hasty {
    type Value<'a> = Frame<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, usize> {
        Frames.parse(bytes)
    }

    fn encode(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Frames.encode(frame, out)
    }
}

impl Stream for Hasty {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        Ok(Frames.cut(bytes, ended)?.map(|len| len.min(bytes.len())))
    }

    fn prefix_len(&self) -> usize {
        Frames.prefix_len()
    }
}

#[test]
fn a_frame_taken_before_it_is_whole_is_found() {
    assert!(found("native_stream", |input| stream_with(&Hasty, input)).is_some());
}

struct CutBody;

impl Codec for CutBody {
    type Value<'a> = BundleView<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<BundleView<'a>, usize> {
        Bundles.parse(bytes)
    }

    fn encode(&self, view: &BundleView<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Bundles.encode(view, out)?;
        if view.messages().any(|m| m.body.len() > 127) {
            out.pop();
        }
        Ok(())
    }
}

#[test]
fn a_bundle_that_loses_the_end_of_a_long_body_is_found() {
    assert!(found("bundle", |input| bundle_with(&CutBody, input)).is_some());
}

struct ShortList;

impl Codec for ShortList {
    type Value<'a> = RevocationPart<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<RevocationPart<'a>, usize> {
        Revocations.parse(bytes)
    }

    fn encode(&self, list: &RevocationPart<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let entries: Vec<_> = list.entries().take(2).collect();
        let signed =
            RevocationPart::encode(list.place(), list.number(), list.issued(), &entries).map_err(|e| e.to_string())?;
        out.extend_from_slice(&RevocationPart::seal(signed, list.signature()));
        Ok(())
    }
}

#[test]
fn a_list_that_loses_its_third_entry_is_found() {
    assert!(found("revocation", |input| revocation_with(&ShortList, input)).is_some());
}

/// Takes spaces around a destination for nothing.
struct Trimming;

impl Codec for Trimming {
    type Value<'a> = Request<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Request<'a>, usize> {
        Requests.parse(bytes).map(|request| match request {
            Request::Push { destination, contents } => Request::Push { destination: destination.trim(), contents },
            Request::Pull => Request::Pull,
        })
    }

    fn encode(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Requests.encode(request, out)
    }
}

#[test]
fn a_second_form_of_a_request_is_found() {
    assert!(found("push_pull", |input| request_with(&Trimming, input)).is_some());
}

/// Takes a length with zeros before it.
struct Padded;

impl Codec for Padded {
    type Value<'a> = RelayFrame<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<RelayFrame<'a>, usize> {
        RelayFrames.parse(bytes.strip_prefix(b"0").unwrap_or(bytes))
    }

    fn encode(&self, frame: &RelayFrame<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        RelayFrames.encode(frame, out)
    }
}

impl Stream for Padded {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        RelayFrames.cut(bytes, ended)
    }
}

#[test]
fn a_second_form_of_a_length_is_found() {
    assert!(found("relay_43110", |input| relay_with(&Padded, input)).is_some());
}

/// Takes the blanks behind a message for a part of it.
struct KeptBlanks;

impl Codec for KeptBlanks {
    type Value<'a> = ProxyLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<ProxyLine<'a>, usize> {
        let mut read = ProxyLines.parse(bytes)?;
        if let ProxyLine::To { line: ProcessLine::Msg { text, .. }, .. } = &mut read {
            let whole = core::str::from_utf8(bytes).map_err(|why| why.valid_up_to())?;
            let at = whole.rfind(*text).unwrap_or_default();
            *text = whole.split_at(at).1.trim_end_matches('\n');
        }
        Ok(read)
    }

    fn encode(&self, line: &ProxyLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        ProxyLines.encode(line, out)
    }
}

impl Stream for KeptBlanks {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        ProxyLines.cut(bytes, ended)
    }
}

#[test]
fn blanks_that_stay_in_a_message_are_found() {
    assert!(found("classroom_proxy", |input| typed_with(&KeptBlanks, input)).is_some());
}

/// Takes an address with zeros before its port.
struct PaddedPort;

impl Codec for PaddedPort {
    type Value<'a> = Line<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Line<'a>, usize> {
        Lines.parse(bytes).or_else(|at| {
            let text = std::str::from_utf8(bytes).map_err(|_| at)?;
            let (ip, rest) = text.split_once(":0").ok_or(at)?;
            let line = Lines.parse(format!("{ip}:{rest}").leak().as_bytes()).map_err(|_| at)?;
            Ok(Line { sender: line.sender, team: line.team, text: line.text })
        })
    }

    fn encode(&self, line: &Line<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Lines.encode(line, out)
    }
}

/// Takes a line end behind a line of the mesh.
struct EndedMeshLines;

impl Codec for EndedMeshLines {
    type Value<'a> = MeshLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<MeshLine<'a>, usize> {
        MeshLines.parse(bytes.strip_suffix(b"\n").unwrap_or(bytes))
    }

    fn encode(&self, line: &MeshLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        MeshLines.encode(line, out)
    }
}

/// Makes a line of the mesh of any text.
struct AnyText;

impl Codec for AnyText {
    type Value<'a> = MeshLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<MeshLine<'a>, usize> {
        MeshLines.parse(bytes)
    }

    fn encode(&self, line: &MeshLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let text: String = line.text.chars().filter(|c| !c.is_control()).collect();
        MeshLines.encode(&MeshLine { text: &text, ..*line }, out)
    }
}

#[test]
fn what_is_taken_and_made_beside_a_line_of_the_mesh_is_found() {
    assert!(found("menu_mesh", |input| mesh_with(&EndedMeshLines, input)).is_some());
    assert!(found("menu_mesh", |input| mesh_with(&AnyText, input)).is_some());
}

/// Takes the fields before a fault for the body.
struct WholeFields;

impl Codec for WholeFields {
    type Value<'a> = &'a [u8];

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], usize> {
        let taken = check_body(bytes).map_or_else(|e| &bytes[..e.offset], |()| bytes);
        Bodies.parse(taken)
    }

    fn encode(&self, body: &&[u8], out: &mut Vec<u8>) -> Result<(), String> {
        Bodies.encode(body, out)
    }
}

impl Stream for WholeFields {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        Bodies.cut(bytes, ended)
    }

    fn prefix_len(&self) -> usize {
        Bodies.prefix_len()
    }
}

/// Takes any last byte for the NUL behind a text.
struct NoNul;

impl Codec for NoNul {
    type Value<'a> = Datagram<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Datagram<'a>, usize> {
        match bytes {
            [0xc2, 0, low, high, text @ .., _] if text.len() == usize::from(u16::from_le_bytes([*low, *high])) => {
                std::str::from_utf8(text).map(Datagram::Vanilla).map_err(|_| 4)
            }
            _ => Datagrams.parse(bytes),
        }
    }

    fn encode(&self, datagram: &Datagram<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Datagrams.encode(datagram, out)
    }
}

#[test]
fn a_second_form_of_a_port_is_found() {
    assert!(found("peer_line", |input| line_with(&PaddedPort, input)).is_some());
}

#[test]
fn a_body_that_is_taken_up_to_its_fault_is_found() {
    assert!(found("protobuf_peer", |input| frames_with(&WholeFields, input)).is_some());
}

#[test]
fn a_text_without_its_nul_is_found() {
    assert!(found("udp_mesh", |input| datagram_with(&NoNul, input)).is_some());
}

/// Takes a KEEPALIVE for what it begins with.
struct Generous;

impl Codec for Generous {
    type Value<'a> = Datagram<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Datagram<'a>, usize> {
        let bytes = if bytes.starts_with(&[0xc3]) { bytes.get(..4).unwrap_or(bytes) } else { bytes };
        Datagrams.parse(bytes)
    }

    fn encode(&self, datagram: &Datagram<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Datagrams.encode(datagram, out)
    }
}

#[test]
fn a_datagram_that_goes_on_is_found() {
    assert!(found("udp_mesh", |input| datagram_with(&Generous, input)).is_some());
}
