//! The beginning of a link: HELLO both ways (P-F6), and which of two links with one peer stays.

use std::time::Duration;

use bytes::Bytes;
use rumormill_gossip::Timestamp;
use rumormill_transport::{LinkError, LinkReader, LinkWriter};
use rumormill_wire::native::{Bye, ByeCode, Frame, Hello, VERSION};
use rumormill_wire::{Foreign, NetworkId, NodeId};

use super::ended::Said;
use super::{Direction, Link};

/// Two links with one peer that are both younger than this came of both sides dialling at once.
const YOUNG_US: u64 = 2_000_000;
const AGENT: &str = concat!("rumormill/", env!("CARGO_PKG_VERSION"));

/// Why a link ended before it was one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("it ended before its HELLO; a node that refuses us says why in its own log")]
    Ended,
    #[error("no HELLO within {0:?}")]
    Deadline(Duration),
    #[error("its first frame is no HELLO")]
    NotHello,
    #[error("its first frame breaks the form")]
    Broken,
    #[error("it speaks versions {min} to {max}, we {VERSION}")]
    Version { min: u16, max: u16 },
    #[error("it belongs to another network")]
    Network,
    #[error("it said goodbye (code {})", .0.code.0)]
    Bye(Said),
    #[error("it is this node itself")]
    Ourselves,
    #[error("{reason}")]
    Refused { code: ByeCode, reason: &'static str },
}

impl GreetError {
    /// Whether it broke the form, which no program that means well does.
    pub(crate) const fn is_breach(&self) -> bool {
        matches!(self, Self::Link(LinkError::Frame(_)) | Self::Broken)
    }

    /// What the peer is told, if anything.
    pub(crate) const fn bye(&self) -> Option<(ByeCode, &'static str)> {
        match self {
            Self::NotHello => Some((ByeCode::PROTOCOL, "the first frame is HELLO")),
            Self::Broken => Some((ByeCode::PROTOCOL, "a frame that breaks the form")),
            Self::Link(LinkError::Frame(_)) => Some((ByeCode::PROTOCOL, "a frame of a length that no frame has")),
            Self::Version { .. } => Some((ByeCode::VERSION, "no common version")),
            Self::Network => Some((ByeCode::NETWORK, "another network")),
            Self::Ourselves => Some((ByeCode::DUPLICATE, "this is your own node")),
            Self::Deadline(_) => Some((ByeCode::IDLE, "no HELLO")),
            _ => None,
        }
    }
}

/// What we say of ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(crate) network: NetworkId,
    pub(crate) features: u32,
    pub(crate) name: String,
    /// How long a peer may take to say HELLO.
    pub(crate) deadline: Duration,
}

/// Says HELLO and takes the peer's.
pub(crate) async fn exchange(
    greeting: &Greeting,
    reader: &mut LinkReader,
    writer: &mut LinkWriter,
) -> Result<(), GreetError> {
    let hello = Hello {
        min: VERSION,
        max: VERSION,
        network: greeting.network,
        features: greeting.features,
        name: Foreign::new(&greeting.name),
        agent: Foreign::new(AGENT),
    };
    let mut bytes = Vec::new();
    let _ = Frame::Hello(hello).encode(&mut bytes);
    let both = async {
        writer.send([bytes.as_slice()]).await?;
        reader.next_frame().await?.ok_or(GreetError::Ended)
    };
    let first = tokio::time::timeout(greeting.deadline, both).await;
    judge(&first.map_err(|_| GreetError::Deadline(greeting.deadline))??, greeting)
}

fn judge(first: &Bytes, ours: &Greeting) -> Result<(), GreetError> {
    match Frame::decode(first) {
        Ok(Frame::Hello(hello)) if hello.network != ours.network => Err(GreetError::Network),
        Ok(Frame::Hello(Hello { min, max, .. })) if min > VERSION || max < VERSION => {
            Err(GreetError::Version { min, max })
        }
        Ok(Frame::Hello(_)) => Ok(()),
        Ok(Frame::Bye(bye)) => Err(GreetError::Bye(bye.into())),
        Ok(_) => Err(GreetError::NotHello),
        Err(_) => Err(GreetError::Broken),
    }
}

/// Says BYE on a link that will not be one.
pub(crate) async fn refuse(writer: LinkWriter, code: ByeCode, reason: &'static str, retry_after_s: u16) {
    let mut writer = writer;
    let mut bytes = Vec::new();
    if Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }).encode(&mut bytes).is_ok() {
        let _ = writer.send([bytes.as_slice()]).await;
    }
    writer.close().await;
}

/// What becomes of a new link when there is one with this peer already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    NewWins,
    OldWins,
    /// The old one wins if it answers a PING.
    Test,
}

/// Both sides dialled at once: the link dialled by the lower node id stays, and both sides see it so. Otherwise the old
/// one stays if it is alive.
pub(crate) fn rival(me: NodeId, old: &Link, new: &Link, now: Timestamp) -> Rival {
    let dialler = |link: &Link| if link.facts.direction == Direction::Outbound { me } else { link.facts.peer };
    let crossed = old.facts.peer == new.facts.peer && dialler(old) != dialler(new);
    if !crossed || now.since(old.since) > YOUNG_US {
        return Rival::Test;
    }
    if dialler(new) < dialler(old) { Rival::NewWins } else { Rival::OldWins }
}

#[cfg(test)]
mod tests {
    use rumormill_gossip::LinkId;

    use super::super::tests::facts;
    use super::*;

    fn link(peer: u8, direction: Direction) -> Link {
        Link::new(LinkId(0), facts(peer, direction), Timestamp(0))
    }

    #[test]
    fn both_sides_keep_the_link_that_the_lower_id_dialled() {
        // Node 1 and node 2 dial each other; whichever link each sees first, both keep the one that 1 dialled.
        let (one, two) = (NodeId([1; 32]), NodeId([2; 32]));
        let now = Timestamp(1_000);
        use Direction::{Inbound, Outbound};
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Outbound), now), Rival::NewWins);
        assert_eq!(rival(one, &link(2, Outbound), &link(2, Inbound), now), Rival::OldWins);
        assert_eq!(rival(two, &link(1, Outbound), &link(1, Inbound), now), Rival::NewWins);
        assert_eq!(rival(two, &link(1, Inbound), &link(1, Outbound), now), Rival::OldWins);
    }

    #[test]
    fn an_old_link_or_a_second_dial_is_decided_by_a_ping() {
        let one = NodeId([1; 32]);
        use Direction::{Inbound, Outbound};
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Inbound), Timestamp(1)), Rival::Test);
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Outbound), Timestamp(YOUNG_US + 1)), Rival::Test);
        assert_eq!(rival(one, &link(3, Inbound), &link(2, Outbound), Timestamp(1)), Rival::Test, "one name, two ids");
    }

    #[test]
    fn a_hello_is_judged_by_network_and_version() {
        let network = NetworkId([7; 32]);
        let deadline = Duration::ZERO;
        let ours = Greeting { network, features: 0, name: "a".into(), deadline };
        let hello = |min, max, network| {
            let hello = Hello { min, max, network, features: 0xffff_fffe, name: "b".into(), agent: "".into() };
            let mut out = Vec::new();
            Frame::Hello(hello).encode(&mut out).unwrap();
            Bytes::from(out.split_off(4))
        };
        assert!(judge(&hello(1, 9, network), &ours).is_ok(), "the highest common version is ours");
        assert!(matches!(judge(&hello(2, 9, network), &ours), Err(GreetError::Version { min: 2, max: 9 })));
        assert!(matches!(judge(&hello(1, 1, NetworkId([8; 32])), &ours), Err(GreetError::Network)));
        assert!(matches!(judge(&Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 0, 0]), &ours), Err(GreetError::NotHello)));
        assert!(matches!(judge(&Bytes::from_static(b"\x01junk"), &ours), Err(GreetError::Broken)));
    }
}
