//! `rumormill node`, `process` and `stopall`.

use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_classroom::process::{ProcessArgs, run_process};
use rumormill_classroom::session;
use rumormill_node::{NodeOptions, run};

use crate::output::Failure;

pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut flags = NodeOptions::default();
    for key in NodeOptions::KEYS {
        for value in matches.get_many::<String>(key).into_iter().flatten() {
            flags.set(key, value.clone());
        }
    }
    let file = matches.get_one::<String>("config").map(Path::new);
    let config =
        run::configure(flags, file).map_err(|why| Failure::usage(why, "`rumormill node --help` lists the settings"))?;
    Ok(run::run_node(config, matches.get_flag("end-with-input")))
}

pub(crate) fn process(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let number = |name: &str| matches.get_one::<u16>(name).copied().unwrap_or(0);
    let args = ProcessArgs { id: number("id"), n: number("n"), port: number("port"), root: number("root") };
    let args = args.check().map_err(|why| Failure::usage(why, "`process --help` says what it takes"))?;
    Ok(run_process(args))
}

pub(crate) fn stopall() -> Result<ExitCode, Failure> {
    // Silent: a proxy hands its standard output down, and that is for logs.
    session::stop_here().map_err(|why| Failure::failed(why, "run it where the processes were started"))?;
    Ok(ExitCode::SUCCESS)
}
