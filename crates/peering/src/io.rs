//! What the machine is told, and what it wants done.

use core::time::Duration;

use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;

use crate::ended::Ended;
use crate::neighbour::NeighbourId;
use crate::peer::Peer;
use crate::refusal::{DUPLICATE, Farewell, Refusal};

/// In how many seconds the peer of a link that lost its place may come back, in the BYE.
const DISPLACED_RETRY_S: u16 = 60;

/// What the driver has seen, told in the order in which it was seen ([`crate::Peering::handle`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// A handshake has ended: there is a connection with this peer, under a name that no link had before. We dialled it if it is that of a
    /// `neighbour`.
    Opened {
        /// Its name from now on, until [`Input::LinkDown`].
        link: LinkId,
        /// Who is there by its certificate, which the handshake has checked.
        peer: Peer,
        /// Whose [`Output::Dial`] gave it; `None` if the peer has dialled.
        neighbour: Option<NeighbourId>,
    },
    /// The first frame of a peer, without its length.
    Hello {
        /// The link that it came over: one of which [`Output::SendHello`] was said, else [`Reject::NotGreeting`].
        link: LinkId,
        /// Its kind and content, at most what a frame may have (P-F2).
        frame: &'a [u8],
    },
    /// The peer broke the protocol: for a time no link with it is taken. This one is closed by whoever says so; nothing comes out.
    Ban {
        /// A link with it, up or not, whose end was not told yet.
        link: LinkId,
        /// How long its node gets no link from now on. It counts instead of what an earlier ban left.
        lasts: Duration,
    },
    /// A frame came, at that time. Not each has to be told: the last one before each [`Input::Tick`], and the next one after
    /// [`Output::SendPing`].
    Heard {
        /// The link that it came over.
        link: LinkId,
        /// When its last byte was read, by the clock of [`crate::Peering::handle`]; an earlier time than one told before changes nothing.
        at: Timestamp,
    },
    /// A link that is up is about to end: it stands in nobody's way, and has its place until [`Input::LinkDown`].
    Closing {
        /// The link that the driver closes. One that is not up stays as it is.
        link: LinkId,
    },
    /// A link has ended, up or not.
    LinkDown {
        /// The link that has ended; what was kept of it is forgotten.
        link: LinkId,
        /// The peer said that it keeps another one with us.
        replaced: bool,
    },
    /// What came of [`Output::Dial`] has ended: the dial, or the link that it gave.
    DialEnded {
        /// Who was dialled; [`Reject::NotDialled`] if nobody had said so.
        neighbour: NeighbourId,
        /// Why there is no link, in our words and the peer's: when the next try is depends on it.
        ended: Ended,
        /// How long the link lived, from its handshake on; zero if there was none.
        lived: Duration,
    },
    /// Something was changed here that may be why we were refused: all neighbours are tried at once, but for those that want to be left alone.
    /// One that is being tried now is tried once more if that gives no link.
    Changed,
    /// A node was told all that we have before our end, and gets no further link, nor a refusal, which would be a farewell.
    ToldAll {
        /// Its key.
        node: NodeId,
        /// Its name in the network.
        name: &'a str,
    },
    /// The node of an [`Input::ToldAll`] had not read all of that: links with it may come up. Of another node it changes nothing.
    NotTold {
        /// Its key.
        node: NodeId,
    },
    /// This node stops: nobody is dialled, and no link comes up but with those who keep it instead of one that is up.
    Stopping,
    /// It is [`crate::Peering::next_timeout`].
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial this neighbour; [`Input::DialEnded`] once there is an end of that.
    Dial {
        /// Its place in [`crate::Config::neighbours`]; its address stands there.
        neighbour: NeighbourId,
    },
    /// Say HELLO and wait for the first frame of the peer, unless [`Output::Refused`] comes before.
    SendHello {
        /// The link that greets; its peer has [`crate::Config::hello_deadline`] to answer.
        link: LinkId,
    },
    /// Send a PING; the next frame over this link is to be told at once.
    SendPing {
        /// The link that was silent, or is compared with a new one of the same peer.
        link: LinkId,
    },
    /// The link is up.
    Up {
        /// The link whose HELLO was taken. It has one of [`crate::Config::max_links`] places.
        link: LinkId,
        /// It is one of a named neighbour.
        named: bool,
    },
    /// The link does not come up. The peer is told why; [`Input::LinkDown`] after that.
    Refused {
        /// The link that ends before it was up.
        link: LinkId,
        /// What decided it; what the peer is told about it says [`Refusal::farewell`].
        why: Refusal,
    },
    /// The peer of a link that is up is told why it ends.
    Close {
        /// The link that ends. It has its place until [`Input::LinkDown`], unless [`Output::Down`] follows.
        link: LinkId,
        /// What decided it; what the peer is told about it says [`Close::farewell`].
        why: Close,
    },
    /// The link is not up any more, whatever is still written to it. No [`Input::LinkDown`] of it is expected.
    Down {
        /// The link whose place another one takes; [`Output::Close`] came before.
        link: LinkId,
    },
    /// The connection ends without a word. One that was not up is forgotten by now; of one that was up, [`Input::LinkDown`] is still to come.
    Drop {
        /// The link whose connection is to end.
        link: LinkId,
    },
    /// For the log: a try gave no link, for a reason that was not told before.
    NoLink {
        /// The neighbour that was tried.
        neighbour: NeighbourId,
        /// Why there is no link, in our words and the peer's.
        ended: Ended,
        /// How long from now the next try is.
        next: Duration,
    },
}

/// Why a link that is up ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// For another one with the same peer.
    Duplicate,
    /// A named neighbour takes its place.
    Displaced {
        /// The new link, of the named neighbour.
        by: LinkId,
    },
    /// Nothing was heard over it for so long, a PING before that included.
    Silent(Duration),
}

impl Close {
    /// What the peer is told.
    #[must_use]
    pub const fn farewell(self) -> Farewell {
        match self {
            Self::Duplicate => DUPLICATE,
            Self::Displaced { .. } => Farewell {
                code: ByeCode::OVERLOAD,
                reason: "a named neighbour takes this place",
                retry_after_s: DISPLACED_RETRY_S,
            },
            Self::Silent(_) => Farewell::new(ByeCode::IDLE, "nothing was heard for too long"),
        }
    }
}

/// Why an input was not taken. Always the driver's fault; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The link has ended, or never was.
    #[error("link {} is unknown or has ended", .0.0)]
    UnknownLink(LinkId),
    /// One name was given to two links.
    #[error("link {} is there already", .0.0)]
    KnownLink(LinkId),
    /// No first frame of this link was waited for.
    #[error("link {} does not greet", .0.0)]
    NotGreeting(LinkId),
    /// Nobody of the configuration, or nobody that was being dialled.
    #[error("neighbour {} is not being dialled", .0.0)]
    NotDialled(NeighbourId),
}
