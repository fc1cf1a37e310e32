//! Why a message never went out by a door.

/// Why a message never will be written to the other side. Whoever sent it can tell what is for good, what ends with a door or a
/// peer, and what passes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsent {
    /// The door closes: when it opens again it may go out.
    #[error("the door closes")]
    Closes,
    /// For good: this door brings out nothing that the room says.
    #[error("PULL gets letters only")]
    LettersOnly,
    /// For good: it is for an address of our own.
    #[error("that is this node itself")]
    Ourselves,
    /// Until that program is started again: it takes a few connections in its life, and they are used up.
    #[error("it takes no more connections until it is started again")]
    NoPlaces,
    /// Nobody whom it was for took it, in the words of the door; others may come.
    #[error("{0}")]
    Nobody(&'static str),
    /// There was no connection; what the system said. It may pass.
    #[error("{0}")]
    Dial(String),
    /// It passes: a bound of ours on the queues.
    #[error("too much is waiting")]
    TooMuch,
    /// It passes: a bound of ours on links.
    #[error("too many links")]
    TooManyLinks,
    /// It passes: a bound of ours on addresses with something to do.
    #[error("too many addresses")]
    TooManyAddresses,
}
