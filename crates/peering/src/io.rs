//! What the machine is told, and what it wants done.

use core::time::Duration;

use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;

use crate::ended::Ended;
use crate::neighbour::NeighbourId;
use crate::peer::Peer;
use crate::refusal::{DUPLICATE, Farewell, Refusal};

/// How long a link that lost its place need not come back.
const DISPLACED_RETRY_S: u16 = 60;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// A handshake has ended: there is a connection with this peer, under a name that no link had before. We dialled it if it is that of a
    /// `neighbour`.
    Opened {
        /// Its name from now on.
        link: LinkId,
        /// Who is there.
        peer: Peer,
        /// Who was dialled.
        neighbour: Option<NeighbourId>,
    },
    /// The first frame of a peer, without its length.
    Hello {
        /// Whose.
        link: LinkId,
        /// Kind and content.
        frame: &'a [u8],
    },
    /// The peer broke the protocol: for a time no link with it is taken. This one is closed by whoever says so; nothing comes out.
    Ban {
        /// A link with it.
        link: LinkId,
        /// For how long.
        lasts: Duration,
    },
    /// A frame came, at that time. Not each has to be told: the last one before each [`Input::Tick`], and the next one after
    /// [`Output::SendPing`].
    Heard {
        /// Over which link.
        link: LinkId,
        /// When.
        at: Timestamp,
    },
    /// A link that is up is about to end: it stands in nobody's way, and has its place until [`Input::LinkDown`].
    Closing {
        /// Which one.
        link: LinkId,
    },
    /// A link has ended, up or not.
    LinkDown {
        /// Which one.
        link: LinkId,
        /// The peer said that it keeps another one with us.
        replaced: bool,
    },
    /// What came of [`Output::Dial`] has ended: the dial, or the link that it gave.
    DialEnded {
        /// Who was dialled.
        neighbour: NeighbourId,
        /// How it ended.
        ended: Ended,
        /// How long the link lived, from its handshake on; zero if there was none.
        lived: Duration,
    },
    /// Something was changed here that may be why we were refused: all neighbours are tried at once, but for those that want to be left alone.
    /// One that is being tried now is tried once more if that gives no link.
    Changed,
    /// A node was told all that we have before our end, and gets no further link, nor a refusal, which would be a farewell.
    ToldAll {
        /// Who.
        node: NodeId,
        /// Its name in the network.
        name: &'a str,
    },
    /// It had not read all of that: links with it may come up.
    NotTold {
        /// Who.
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
        /// Who.
        neighbour: NeighbourId,
    },
    /// Say HELLO and wait for the first frame of the peer, unless [`Output::Refused`] comes before.
    SendHello {
        /// To whom.
        link: LinkId,
    },
    /// Send a PING; the next frame over this link is to be told at once.
    SendPing {
        /// To whom.
        link: LinkId,
    },
    /// The link is up.
    Up {
        /// Which one.
        link: LinkId,
        /// It is one of a named neighbour.
        named: bool,
    },
    /// The link does not come up. The peer is told why; [`Input::LinkDown`] after that.
    Refused {
        /// Which one.
        link: LinkId,
        /// Why.
        why: Refusal,
    },
    /// The peer of a link that is up is told why it ends.
    Close {
        /// Which one.
        link: LinkId,
        /// Why.
        why: Close,
    },
    /// The link is not up any more, whatever is still written to it. No [`Input::LinkDown`] of it is expected.
    Down {
        /// Which one.
        link: LinkId,
    },
    /// The connection ends without a word. One that was not up is forgotten by now; of one that was up, [`Input::LinkDown`] is still to come.
    Drop {
        /// Which one.
        link: LinkId,
    },
    /// For the log: a try gave no link, for a reason that was not told before.
    NoLink {
        /// Who was tried.
        neighbour: NeighbourId,
        /// How the try ended.
        ended: Ended,
        /// When the next one is.
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
        /// By which link.
        by: LinkId,
    },
    /// Nothing was heard for so long.
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
