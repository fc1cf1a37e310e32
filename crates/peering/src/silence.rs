//! What is done about a neighbour that is silent.

use core::time::Duration;

use rumormill_limits::Timestamp;

/// Pings without an answer before a link is closed.
const SILENT_PINGS: u32 = 3;

/// What a silence calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It was heard lately.
    Nothing,
    /// It is asked for an answer.
    Ping,
    /// It is told why the link ends.
    Farewell,
    /// A peer that reads nothing takes no BYE either.
    Close,
}

/// Of a neighbour that was `heard` last then, where one that is silent for `ping` is pinged.
pub(crate) fn silence(heard: Timestamp, ping: Duration, now: Timestamp) -> Silence {
    let silent = now.elapsed(heard);
    if silent > ping.saturating_mul(SILENT_PINGS + 2) {
        Silence::Close
    } else if silent > ping.saturating_mul(SILENT_PINGS + 1) {
        Silence::Farewell
    } else if silent > ping {
        Silence::Ping
    } else {
        Silence::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_the_silence_the_more_is_done() {
        let ping = Duration::from_secs(5);
        let after = |s| silence(Timestamp(7), ping, Timestamp(7).after(Duration::from_secs(s)));
        assert_eq!([0, 5].map(after), [Silence::Nothing; 2]);
        assert_eq!([6, 20].map(after), [Silence::Ping; 2], "three times, by a round of the ping's length");
        assert_eq!([21, 25].map(after), [Silence::Farewell; 2]);
        assert_eq!(after(26), Silence::Close);
        assert_eq!(silence(Timestamp(9), ping, Timestamp(7)), Silence::Nothing, "heard since");
    }
}
