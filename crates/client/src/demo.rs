//! `rumormill demo`: five nodes, each a process of its own, over mutual TLS 1.3; messages, a crash, a return, one log.
//!
//! It runs this very program for each node and talks to them by their sockets, so what it shows is what people get.

mod cast;
mod place;
mod story;

use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_node::signals::hangup_is_ignored;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{Failure, Out};

pub(crate) fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let quiet = matches.get_flag("json");
    let runtime = crate::runtime::runtime(2)?;
    let result = runtime.block_on(async {
        // Before the first node: from then on a signal must not end this program without a word to them.
        let on = |kind| signal(kind).map_err(|why| Failure::failed(why, ""));
        let (mut interrupt, mut term) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
        // Its terminal is gone, unless whoever started it wants it to go on then (`nohup`).
        let mut hangup = if hangup_is_ignored() { None } else { Some(on(SignalKind::hangup())?) };
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        // Dropping the story ends its processes and removes its directory, whichever way it ends.
        tokio::select! {
            told = story::tell(quiet, out) => told,
            _ = interrupt.recv() => Err(Failure::failed("interrupted", "the five nodes were ended")),
            () = hung_up => Err(Failure::failed("its terminal is gone", "the five nodes were ended")),
            _ = term.recv() => Err(Failure::failed("terminated", "the five nodes were ended")),
        }
    });
    runtime.shutdown_background();
    let summary = result?;
    if quiet {
        out.line(serde_json::to_string(&summary).map_err(|why| Failure::failed(why, ""))?);
    }
    Ok(ExitCode::SUCCESS)
}
