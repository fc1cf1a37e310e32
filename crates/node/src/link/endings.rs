//! What the transport says of an end, as the link policy takes it, and what a log line tells of one.

use rumormill_peering::Ended;
use rumormill_transport::{DialError, LinkError, Refusal};
use rumormill_wire::ForeignText;
use tracing::field::DisplayValue;

/// What the peer said, for one field of a log line, which has none if the peer said nothing.
pub(crate) fn said(ended: &Ended) -> Option<DisplayValue<ForeignText>> {
    let said = ended.said.as_ref().map(|said| said.reason.clone());
    said.filter(|reason| *reason != "").map(tracing::field::display)
}

/// A dial that gave no connection.
pub(crate) fn of_dial(error: &DialError) -> Ended {
    let passing = match error {
        DialError::Connect { .. } => true,
        DialError::Refused { alert: true, .. } => true,
        DialError::Refused { reason, .. } => matches!(reason, Refusal::Timeout | Refusal::Lost | Refusal::Overload),
        DialError::LoopbackOnly(_) => false,
    };
    let unproven = matches!(error, DialError::Refused { .. });
    Ended { refused: !passing, unproven, ..Ended::passing(error.to_string()) }
}

/// Why a link ended whose connection broke.
pub(crate) fn of_link(error: &LinkError) -> Ended {
    let refused = match error {
        // The other side's check of our certificate ends after ours of its own: its refusal is the first thing read.
        LinkError::Io(error) => Refusal::of_io(error) != Refusal::Lost,
        LinkError::Frame(_) => true,
        _ => false,
    };
    Ended { refused, ..Ended::passing(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::{Bye, ByeCode};

    use super::*;

    fn bye(code: ByeCode, reason: &str) -> Ended {
        Ended::by(Bye { code, retry_after_s: 0, reason: reason.into() })
    }

    #[test]
    fn who_said_nothing_has_no_field_in_the_log() {
        assert!(said(&Ended::passing("closed")).is_none() && said(&bye(ByeCode::LEAVING, "")).is_none());
        assert_eq!(said(&bye(ByeCode::LEAVING, "ending")).unwrap().to_string(), "ending");
    }

    #[test]
    fn who_refused_us_in_the_handshake_has_proven_nothing_and_an_alert_is_as_nobody_there() {
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        for (reason, alert) in [(Refusal::OursRevoked, true), (Refusal::KeyExchange, true), (Refusal::UnknownCa, false)]
        {
            let ended = of_dial(&DialError::Refused { addr, reason, alert });
            assert_eq!((ended.refused, ended.unproven), (!alert, true), "{reason}");
        }
    }
}
