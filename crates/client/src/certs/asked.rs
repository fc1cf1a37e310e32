//! What all commands about certificates are told, and how they fail.

use std::path::PathBuf;

use clap::ArgMatches;
use rumormill_transport::{CaError, LocalCa, default_home};

use crate::output::Failure;

pub(super) fn home(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    match matches.get_one::<String>("home") {
        Some(home) => Ok(PathBuf::from(home)),
        None => default_home().map_err(|why| Failure::failed(why, "or give --home DIR")),
    }
}

/// Its exit code goes by whose fault it is; `next` where the error has no way out of its own.
pub(super) fn failure(why: &CaError, next: &str) -> Failure {
    let next = why.way_out().unwrap_or(next);
    if why.is_asked_wrongly() { Failure::usage(why, next) } else { Failure::failed(why, next) }
}

pub(super) fn open(matches: &ArgMatches) -> Result<LocalCa, Failure> {
    LocalCa::open(&home(matches)?).map_err(|why| failure(&why, "or give --home DIR"))
}

pub(super) fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}
