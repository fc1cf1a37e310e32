//! `rumormill proxy`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_classroom::proxy::{self, Config, Launch, SHOWN};

use crate::output::{Failure, Out};

pub(crate) fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let path = |name: &str| matches.get_one::<String>(name).map(PathBuf::from);
    let config = Config {
        n: matches.get_one("n").copied(),
        process: Launch::choose(path("process"), "process", "process"),
        stopall: Launch::choose(path("stopall"), "stopall", "stopall"),
        shown: SHOWN,
        on_terminal: std::io::stdout().is_terminal(),
    };
    let runtime = crate::runtime::runtime(1)?;
    let mut err = std::io::stderr();
    let code = runtime.block_on(proxy::run(config, tokio::io::stdin(), out, &mut err));
    // A thread may still wait for standard input; it must not hold up the end.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}
