//! `rumormill certs`: make a CA, issue, show, revoke.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use rumormill_limits::DAY_S;
use rumormill_transport::{CaError, LocalCa};

use crate::output::{Failure, Out, count};

mod asked;
mod node;
mod read;
mod restore;
mod revoke;
mod shown;

use asked::{failure, home, open, text};

/// What to do where a revoked key lies.
const NEW_KEY: &str = "give another --out, without a key; or --new-key: the node becomes another one with a new key, and the \
    revoked key is kept beside it";

pub(crate) fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("init", m)) => init(out, m),
        Some(("issue", m)) => issue(out, m),
        Some(("show", m)) => shown::show(out, m),
        Some(("revoke", m)) => revoke::revoke(out, m),
        Some(("restore", m)) => restore::restore(out, m),
        _ => Err(Failure::usage("no such command", "run `rumormill certs --help`")),
    }
}

fn init(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let home = home(matches)?;
    let ca = LocalCa::init(&home).map_err(|why| failure(&why, "give another --home DIR, or move the old CA away"))?;
    out.line(format_args!("made a CA in {}", home.join("ca").display()));
    out.line(format_args!("network {}", ca.network()));
    out.line("next: `rumormill certs issue NAME --out DIR` for each node; keep ca.key to yourself");
    Ok(ExitCode::SUCCESS)
}

fn issue(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let name = text(matches, "name");
    let ca = open(matches)?;
    let days = matches.get_one::<u32>("days").copied().unwrap_or(398);
    let dir = matches.get_one::<String>("out").map(Path::new);
    let lasts = Duration::from_secs(u64::from(days).saturating_mul(DAY_S));
    let anew = matches.get_flag("new-key");
    let issued = if anew { ca.issue_new_key(name, lasts, dir) } else { ca.issue(name, lasts, dir) };
    let issued = issued.map_err(|why| {
        let next = match &why {
            CaError::RevokedKey { .. } => NEW_KEY,
            _ => "see `rumormill certs issue --help`",
        };
        failure(&why, next)
    })?;
    out.line(format_args!("certificate {}", issued.certificate.display()));
    out.line(format_args!("key         {} (for this node alone)", issued.key.display()));
    out.line(format_args!("CA          {}", issued.ca.display()));
    out.line(format_args!("expires in {}", count(days, "day")));
    Ok(ExitCode::SUCCESS)
}
