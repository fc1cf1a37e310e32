//! What a run is measured by.

use std::fs;
use std::time::{Duration, Instant};

use rumormill_node::NodeHandle;
use serde_json::{Value, json};

/// Ticks a second of `/proc/self/stat`.
const TICKS_PER_S: f64 = 100.0;

/// Milliseconds with a fraction.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// CPU time of this process, in seconds.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let field = |n: usize| after.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / TICKS_PER_S
}

/// The most memory this process has had, in MiB.
fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Latencies: to each node, and to the last one.
#[derive(Default)]
pub struct Spread {
    node: Vec<Duration>,
    last: Vec<Duration>,
}

impl Spread {
    pub fn node(&mut self, time: Duration, last: bool) {
        self.node.push(time);
        if last {
            self.last.push(time);
        }
    }
}

fn percentile(times: &[Duration], part: f64) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort();
    let top = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (top as f64 * part).round() as usize;
    sorted.get(at).map(|time| ms(*time))
}

/// Counters of all nodes at one moment.
pub struct Counts {
    at: Instant,
    cpu_s: f64,
    bytes: u64,
    committed: u64,
    own: u64,
    accepted: u64,
    duplicate: u64,
}

impl Counts {
    pub fn none() -> Self {
        Self { at: Instant::now(), cpu_s: cpu_s(), bytes: 0, committed: 0, own: 0, accepted: 0, duplicate: 0 }
    }

    pub fn now(nodes: &[NodeHandle]) -> Self {
        let mut all = Self::none();
        for node in nodes {
            let stats = node.stats();
            all.bytes += node.bytes_out();
            all.committed += node.committed();
            all.own += stats.messages_own;
            all.accepted += stats.messages_accepted;
            all.duplicate += stats.messages_duplicate;
        }
        all
    }

    /// What happened since, of `sent` messages.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn report(&self, nodes: &[NodeHandle], sent: u64, spread: &Spread) -> Value {
        let now = Self::now(nodes);
        let elapsed = now.at.duration_since(self.at).as_secs_f64();
        let delivered = (now.committed - self.committed).saturating_sub(now.own - self.own);
        let others = u64::try_from(nodes.len().saturating_sub(1)).unwrap_or(0);
        let per = |amount: f64| if delivered == 0 { 0.0 } else { amount / delivered as f64 };
        let round = |value: f64| (value * 1e3).round() / 1e3;
        let accepted = (now.accepted - self.accepted).max(1);
        json!({
            "deliveries_per_s": (delivered as f64 / elapsed).round(),
            "msgs_per_s": (sent as f64 / elapsed).round(),
            "delivered": delivered,
            "expected": sent * others,
            "cpu_us_per_delivery": round(per((now.cpu_s - self.cpu_s) * 1e6)),
            "wire_bytes_per_delivery": round(per((now.bytes - self.bytes) as f64)),
            "redundancy": round((now.duplicate - self.duplicate) as f64 / accepted as f64),
            "node_p50_ms": percentile(&spread.node, 0.5),
            "node_p99_ms": percentile(&spread.node, 0.99),
            "last_p50_ms": percentile(&spread.last, 0.5),
            "last_p99_ms": percentile(&spread.last, 0.99),
            "rss_mib_per_node": round(rss_mib() / nodes.len().max(1) as f64),
            "elapsed_s": round(elapsed),
        })
    }
}
