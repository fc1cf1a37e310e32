//! What happens in the demo, told as it happens.

use std::io::stdout;
use std::time::Instant;

use rumormill_api::LogLine;
use serde::Serialize;

use super::cast::{Cast, NAMES};
use crate::output::{Failure, Out, colour};

/// Who crashes and comes back, by place in [`NAMES`].
const CAROL: usize = 2;

/// What the demo found.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    nodes: usize,
    messages: usize,
    tls: String,
    same_log_everywhere: bool,
    fingerprint: String,
    seconds: f64,
}

struct Teller<'a> {
    out: &'a mut Out,
    begun: Instant,
    quiet: bool,
    colours: bool,
}

impl Teller<'_> {
    fn say(&mut self, text: &str) {
        if !self.quiet {
            let (dim, plain) = if self.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
            self.out.line(format_args!("{dim}{:6.2} s{plain}  {text}", self.begun.elapsed().as_secs_f64()));
        }
    }
}

/// Runs the demo from start to end; `quiet` leaves out what happens on the way.
pub(super) async fn tell(quiet: bool, out: &mut Out) -> Result<Summary, Failure> {
    let mut teller = Teller { out, begun: Instant::now(), quiet, colours: colour(&stdout()) };
    let mut cast = Cast::gather()?;
    let all = [0, 1, 2, 3, 4];
    for n in all {
        cast.start(n)?;
    }
    let pids: Vec<_> = all.iter().map(|n| format!("{} {}", NAMES.get(*n).unwrap_or(&""), cast.pid(*n))).collect();
    teller.say(&format!("started five nodes, each a process of its own: {}", pids.join(", ")));
    let tls = cast.linked(2).await?;
    teller.say(&format!("linked up in a ring, both ends of each link with a certificate ({tls})"));

    for (n, text) in [(0, "Has anybody heard?"), (1, "Heard what?"), (3, "It is a rumor."), (4, "Do tell.")] {
        cast.send(n, text).await?;
    }
    cast.have(&all, 4).await?;
    teller.say("four messages, sent at four nodes, are in all five logs");

    cast.crash(CAROL);
    teller.say("carol crashed (SIGKILL)");
    for (n, text) in [(1, "Where is carol?"), (3, "Her node crashed."), (0, "She will read this when she is back.")] {
        cast.send(n, text).await?;
    }
    cast.have(&[0, 1, 3, 4], 7).await?;
    teller.say("three messages more while she is away: the ring has become a line, four logs have all seven");

    cast.start(CAROL)?;
    cast.have(&[CAROL], 7).await?;
    teller.say("carol is back, on her old store: what she had is there, what she missed came from her neighbours");
    cast.send(CAROL, "I am back. What did I miss? Nothing.").await?;
    cast.have(&all, 8).await?;
    finish(&cast, &mut teller, tls).await
}

/// Compares the logs of all, message by message and by fingerprint.
async fn finish(cast: &Cast, teller: &mut Teller<'_>, tls: String) -> Result<Summary, Failure> {
    let mut logs = Vec::new();
    for n in 0..NAMES.len() {
        let log = cast.log(n).await.map_err(|why| cast.failure(n, &why.to_string()))?;
        let info = cast.info(n).await.map_err(|why| cast.failure(n, &why.to_string()))?;
        logs.push((log, info.fingerprint));
    }
    let key = |line: &LogLine| (line.time.clone(), line.origin.clone(), line.incarnation, line.seq, line.text.clone());
    let keys = |log: &[LogLine]| log.iter().map(key).collect::<Vec<_>>();
    let Some((first, fingerprint)) = logs.first() else { return Err(Failure::failed("no logs", "")) };
    for (n, (log, other)) in logs.iter().enumerate() {
        if keys(log) != keys(first) || other != fingerprint {
            return Err(cast.failure(n, "its log is not the same as alice's"));
        }
    }
    teller.say(&format!("all five logs are the same: {} messages, fingerprint {fingerprint}", first.len()));
    if !teller.quiet {
        show(teller.out, first);
    }
    Ok(Summary {
        nodes: NAMES.len(),
        messages: first.len(),
        tls,
        same_log_everywhere: true,
        fingerprint: fingerprint.clone(),
        seconds: teller.begun.elapsed().as_secs_f64(),
    })
}

fn show(out: &mut Out, log: &[LogLine]) {
    let (bold, plain) = if colour(&stdout()) { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    out.line("");
    for message in log {
        let who = message.from.as_deref().unwrap_or("?");
        out.shown(format_args!("  {bold}{who:<6}{plain} {}", message.text.as_foreign().whole()));
    }
    out.line("");
    out.line("Next: `rumormill --help`, or `rumormill node --name alice --state alice.d` to run a node of your own.");
}
