//! Whose fault it is that a node does not start.

use rumormill_doors::DoorError;
use rumormill_limits::file;
use rumormill_transport::{IdentityError, TrustError};

use super::StartError;
use crate::socket_error::SocketError;

impl StartError {
    /// Whether it was asked for wrongly: a setting that is not allowed, or that names what is not there or something else. All
    /// other errors are failures of what was asked for rightly.
    #[must_use]
    pub fn is_asked_wrongly(&self) -> bool {
        match self {
            Self::Config(_) | Self::Name { .. } => true,
            Self::Ca(why) => why.is_asked_wrongly(),
            Self::Identity(IdentityError::File(why)) | Self::Trust(TrustError::File(why)) => why.is_missing(),
            Self::Identity(_) | Self::Trust(_) => true,
            Self::Socket(why) => matches!(why, SocketError::TooLong { .. } | SocketError::NoSocket(_)),
            Self::Door(why) => matches!(why, DoorError::Spec(_)),
            Self::Io { source, .. } => file::is_no_directory(source),
            _ => false,
        }
    }

    /// What its reader may do next, in one line.
    #[must_use]
    pub fn next(&self) -> &'static str {
        let way = match self {
            Self::Ca(why) => why.way_out(),
            Self::Identity(why) => why.way_out(),
            Self::Trust(why) => why.way_out(),
            _ => None,
        };
        way.unwrap_or_else(|| self.usual())
    }

    /// The same where the error itself knows none.
    const fn usual(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Door(DoorError::Spec(_)) => "`rumormill node --help` lists the settings",
            Self::Descriptors { .. } => "raise it (`ulimit -Hn`, LimitNOFILE)",
            Self::Ca(_) => "give another --home DIR, or certificate files with --cert, --key and --ca",
            Self::Identity(_) | Self::Trust(_) | Self::Name { .. } | Self::Tls(_) => {
                "look at the files with `rumormill certs show FILE`; `rumormill certs issue NAME` issues and renews"
            }
            Self::Store(_) | Self::OtherNetwork { .. } | Self::UnknownNetwork { .. } => {
                "see \"The store\" in docs/operations.md, or name another directory with --state"
            }
            Self::StoreGone(_) | Self::StoreReplaced(_) => "see \"The store\" in docs/operations.md before --restored",
            Self::Socket(_) => "name another path with --socket, or end what uses this one",
            Self::Door(_) => "give the door another address, or end what uses this one",
            Self::Io { .. } => "see what stands in the way, or name another place or address",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_is_asked_wrongly_is_told_from_what_fails() {
        let name = StartError::Name { found: "a".into(), wanted: "b".into() };
        let socket = StartError::Socket(SocketError::NoSocket("x".into()));
        let taken = StartError::Socket(SocketError::InUse("x".into()));
        let port = StartError::io("listen on", "127.0.0.1:1")(io::Error::from(io::ErrorKind::AddrInUse));
        assert_eq!([name, socket, taken, port].map(|why| why.is_asked_wrongly()), [true, true, false, false]);
    }
}
