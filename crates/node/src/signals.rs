//! Signals that would end the program by themselves, with nothing said and nothing brought to its end.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal as Number, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How long a start may go on after a signal. What is in the store is then as after a crash.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Has a write beyond the limit on the size of files (`ulimit -f`, `LimitFSIZE=`) fail, as one on a full disk does (setrlimit(2),
/// `EFBIG`), until the end of this program. Before that SIGXFSZ ended it. One that writes to a pipe nobody reads gets an error
/// already: the standard library sees to SIGPIPE. To be called before all else.
pub fn fail_where_a_file_may_not_grow() {
    // The handler outlives the threads that it was made with. Where there is none, the signal does what it always did.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    let _entered = runtime.enter();
    drop(signal(SignalKind::from_raw(Number::XFSZ.as_raw())));
}

/// Seconds of processor time that are kept for the end, of a limit that leaves none (`ulimit -t`, `LimitCPU=60`): the system kills at
/// the hard limit without a word.
const FOR_THE_END: u64 = 2;

fn leave_time_for_the_end() {
    let limit = getrlimit(Resource::Cpu);
    let Some(hard) = limit.maximum else { return };
    let soft = hard.saturating_sub(FOR_THE_END.min(hard / 2));
    if soft > 0 && limit.current.is_none_or(|current| current > soft) {
        // Where it cannot be, it ends as it always did.
        let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(soft), maximum: Some(hard) });
    }
}

/// Whether whoever started this program had it ignore a signal (proc_pid_status(5), `SigIgn`): to hear it would end that.
fn is_ignored(signal: Number) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let bit = u32::try_from(signal.as_raw()).ok().and_then(|number| number.checked_sub(1));
    mask.zip(bit).is_some_and(|(mask, bit)| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// Whether this program goes on when its terminal is gone (`nohup`).
#[must_use]
pub fn hangup_is_ignored() -> bool {
    is_ignored(Number::HUP)
}

/// The signals that end a node in good order. Made before it starts: one that comes meanwhile counts once it has.
#[derive(Debug)]
pub struct Signals {
    asked: Option<(Signal, Signal)>,
    /// Its terminal is gone, unless whoever started it wants it to stay then (`nohup`).
    hangup: Option<Signal>,
    /// Its processor time is used up (setrlimit(2), `RLIMIT_CPU`); until SIGKILL there is as much as the hard limit leaves.
    time: Option<Signal>,
    /// Standard input, where its end is a request to stop.
    input: Option<oneshot::Receiver<()>>,
    came: bool,
    used_up: bool,
}

impl Signals {
    /// Begins to hear them; needs a runtime. A limit of processor time leaves a moment for the end from now on.
    #[must_use]
    pub fn hear() -> Self {
        leave_time_for_the_end();
        let asked = signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok());
        let hangup = if hangup_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        let time = signal(SignalKind::from_raw(Number::XCPU.as_raw())).ok();
        Self { asked, hangup, time, input: None, came: false, used_up: false }
    }

    /// The end of standard input counts as one of them, from now on. Whoever starts a node and holds the other end of a pipe takes it
    /// along, however it ends itself.
    #[must_use]
    pub fn or_end_of_input(mut self) -> Self {
        let (ended, input) = oneshot::channel();
        // Not a task: what reads for ever holds up no end of the program here.
        let read = std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            // An input that cannot be read has ended too.
            drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
            drop(ended);
        });
        self.input = read.is_ok().then_some(input);
        self
    }

    /// Whether a signal to stop has come.
    pub(crate) const fn came(&self) -> bool {
        self.came
    }

    /// Whether the limit of processor time was reached.
    pub(crate) const fn used_up(&self) -> bool {
        self.used_up
    }

    pub(crate) async fn next(&mut self) {
        let asked = async {
            match &mut self.asked {
                Some((term, int)) => tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                },
                None => std::future::pending().await,
            }
        };
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        let input = async {
            match self.input.as_mut() {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        // It comes again every second: it ends no drain.
        let time = async {
            match self.time.as_mut().filter(|_| !self.came) {
                Some(time) => drop(time.recv().await),
                None => std::future::pending().await,
            }
        };
        let used_up = tokio::select! {
            () = asked => false,
            () = hangup => false,
            () = input => false,
            () = time => true,
        };
        // It ends once.
        self.input = None;
        self.used_up |= used_up;
        self.came = true;
    }

    /// Ends when a start has been waited for long enough after a signal, or at the second one.
    pub(crate) async fn waited_for_in_vain(&mut self) {
        self.next().await;
        tracing::info!("ending once the start is done; a second signal ends at once");
        tokio::select! {
            () = tokio::time::sleep(START_PATIENCE) => {}
            () = self.next() => {}
        }
    }
}
