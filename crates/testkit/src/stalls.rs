//! Whether the machine kept up: old programs give others a second, or part what they read by pauses alone, so on a busy
//! machine they go wrong through nobody's fault. A round that went wrong while the machine stalled is played again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// A sleeper that wakes so late has shown that the machine stalled.
const LATE: Duration = Duration::from_millis(100);
/// How often a round is played, at most.
const ROUNDS: usize = 6;

/// Sleeps and looks how late it wakes.
struct Watch {
    worst_us: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Watch {
    fn begin() -> Self {
        let watch = Self { worst_us: Arc::default(), over: Arc::default() };
        let (worst, over) = (Arc::clone(&watch.worst_us), Arc::clone(&watch.over));
        thread::spawn(move || {
            let nap = Duration::from_millis(5);
            while !over.load(Relaxed) {
                let begun = Instant::now();
                thread::sleep(nap);
                let late = begun.elapsed().saturating_sub(nap);
                worst.fetch_max(u64::try_from(late.as_micros()).unwrap(), Relaxed);
            }
        });
        watch
    }

    /// What was seen of a stall: a late sleeper, or more programs that want to run than twice the cores.
    fn stall(&self) -> Option<String> {
        self.over.store(true, Relaxed);
        let worst = Duration::from_micros(self.worst_us.load(Relaxed));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let busy = load >= 2.0 * f64::from(u32::try_from(cores).unwrap());
        (worst >= LATE || busy).then(|| format!("a sleeper was {worst:?} late, at load {load}"))
    }
}

/// Plays a round; again, if it went wrong while the machine stalled.
pub fn unless_stalled(mut round: impl FnMut() -> Result<(), String>) {
    for n in 1..=ROUNDS {
        let watch = Watch::begin();
        let Err(why) = round() else { return };
        match watch.stall() {
            Some(stall) if n < ROUNDS => println!("round {n}: {why}; {stall}; once more"),
            stall => panic!("{why} (round {n}; {})", stall.unwrap_or_else(|| "the machine kept up".to_owned())),
        }
    }
}
