//! What people type and look at. One program carries all sub-commands; the others are the same with one chosen.
#![forbid(unsafe_code)]

mod args;
mod certs;
mod console;
mod demo;
mod node;
mod older;
mod output;
mod proxy;
mod shown;
mod talk;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::ArgMatches;

use crate::output::{Failure, Out, colour};

/// Runs the program. `chosen` is the sub-command that this binary stands for; `None` is the one with all.
///
/// Exit codes: 0 done, 1 failed, 2 asked for wrongly.
#[must_use]
pub fn main(chosen: Option<&'static str>) -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    // Where there is no program for these, the proxy runs itself.
    let runs_itself =
        chosen == Some("proxy") && words.get(1).is_some_and(|word| word == "process" || word == "stopall");
    let chosen = chosen.filter(|_| !runs_itself);
    if let Some(name) = chosen {
        words.insert(words.len().min(1), name.into());
    }
    output::printing(|out| match args::command(chosen).try_get_matches_from(words) {
        Ok(matches) => run(&matches, out),
        Err(why) => Ok(told(&why, out)),
    })
}

/// Help and version go to standard output, what is wrong with the words to standard error.
fn told(why: &clap::Error, out: &mut Out) -> ExitCode {
    let text = |colours: bool| if colours { why.render().ansi().to_string() } else { why.render().to_string() };
    if why.use_stderr() {
        let mut err = std::io::stderr().lock();
        // A failed write of an error has nobody to be told to.
        let _ = write!(err, "{}", text(colour(&err)));
    } else {
        // What fails here is noted there.
        let _ = write!(out, "{}", text(colour(&std::io::stdout())));
    }
    ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2))
}

fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("node", m)) => node::run(m),
        Some(("process", m)) => node::process(m),
        Some(("stopall", _)) => node::stopall(),
        Some(("proxy", m)) => proxy::run(m, out),
        Some(("demo", m)) => demo::run(m, out),
        Some(("certs", m)) => certs::run(m, out),
        Some(("send", m)) => talk::send(m, out),
        Some(("log", m)) => talk::log(m, out),
        Some(("peers", m)) => talk::peers(m, out),
        Some(("doors", m)) => talk::doors(m, out),
        Some(("udp-peer", m)) => older::udp_peer(m, out),
        Some(("menu", m)) => older::menu(m, out),
        Some(("peer", m)) => older::peer(m, out),
        Some(("metrics", m)) => talk::metrics(m, out),
        _ => Err(Failure::usage("no such command", "run `rumormill --help`")),
    }
}

/// A runtime for a sub-command that waits for few things at once.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().map_err(|why| Failure::failed(format!("cannot start: {why}"), "free some memory"))
}
