//! Settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::address::canonical;
use crate::spec::{Spec, SpecError};

/// Where all of them listen: it stands in their source.
pub const DEFAULT_PORT: u16 = 43_110;
/// In the rhythm of which the legacy program moves its queues, as its source has it.
const DEFAULT_PERIOD: Duration = Duration::from_secs(5);
/// A dial that failed is tried again after one period, and at last after twelve: ten times a second at most, and after twelve minutes
/// at the latest.
const PERIODS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// Between frames. Its reader takes one read for one frame: without a pause it garbles all of them.
const DEFAULT_PAUSE: Duration = Duration::from_millis(20);
/// With no pause at all it garbles frames; a minute is more than any machine keeps a program waiting.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Settings of which each was checked by itself and with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where peers connect, and from where they are dialled.
    pub listen: SocketAddr,
    /// The older nodes that are dialled at the start, at most one for each address: a node's address is its name.
    pub dial: Vec<SocketAddr>,
    /// The legacy program's rhythm, 100 ms to 60 s: a greeting may be so late, and a dial that failed is tried again after it.
    pub period: Duration,
    /// Between two frames to one peer, 1 ms to 60 s.
    pub pause: Duration,
}

impl Config {
    /// Checks what was asked for: `relay-43110,listen=127.0.0.5:43110,dial=127.0.0.2,period=5s,pause=20ms`; `dial` may
    /// stand several times, and have a port.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen", "period", "pause"], &["dial"])?;
        let listen = spec.listen(Some((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()))?;
        let mut dial: Vec<SocketAddr> = Vec::new();
        for text in spec.texts("dial") {
            let peer = peer(text).map_err(|why| spec.error(why))?;
            if peer.is_ipv4() != listen.is_ipv4() {
                return Err(spec.error(format!("dial: {} cannot be reached from {}", peer.ip(), listen.ip())));
            }
            if peer.ip() == listen.ip() || dial.iter().any(|other| other.ip() == peer.ip()) {
                let why = "peers are told apart by it; give each address once, and not that of listen";
                return Err(spec.error(format!("dial: {} is there twice: {why}", peer.ip())));
            }
            dial.push(peer);
        }
        let period = spec.time("period", DEFAULT_PERIOD, PERIODS)?;
        let pause = spec.time("pause", DEFAULT_PAUSE, PAUSES)?;
        Ok(Self { listen, dial, period, pause })
    }
}

fn peer(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse::<SocketAddr>().ok();
    let found = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DEFAULT_PORT)).or_else(with_port);
    let good = found.map(canonical);
    good.filter(|peer| peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast()).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        format!("dial: `{shown}` is not allowed; give an address, like 127.0.0.2, or one with its port")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let spec: Spec = text.parse().map_err(|e: SpecError| e.to_string())?;
        Config::from_spec(&spec).map_err(|e| e.to_string())
    }

    #[test]
    fn settings() {
        let config = config("relay-43110,listen=127.0.0.5:43110,dial=127.0.0.2,dial=127.0.0.3:9,pause=7ms").unwrap();
        let addrs: Vec<_> = config.dial.iter().map(ToString::to_string).collect();
        assert_eq!(addrs, ["127.0.0.2:43110", "127.0.0.3:9"]);
        assert_eq!((config.period.as_secs(), config.pause.as_millis()), (5, 7));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (keys, words) in [
            ("dial=me", "dial: `me` is not allowed"),
            ("dial=0.0.0.0", "is not allowed"),
            ("dial=127.0.0.2:0", "is not allowed"),
            ("dial=::1", "cannot be reached from"),
            ("dial=127.0.0.2,dial=127.0.0.2:9", "is there twice"),
            ("dial=127.0.0.1:9", "not that of listen"),
            ("pause=0ms", "pause"),
            ("listen=0.0.0.0:43110", "--insecure-bind"),
            ("beat=1s", "unknown key"),
        ] {
            let found = config(&format!("relay-43110,{keys}")).unwrap_err();
            assert!(found.contains(words), "{keys}: {found}");
        }
    }
}
