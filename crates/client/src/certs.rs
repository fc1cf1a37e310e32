//! `rumormill certs`: make a CA, issue, show, revoke.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use rumormill_node::certs::{CaError, CertificateInfo, LocalCa, default_home, read_certificate};
use rumormill_node::validity::{Standing, date};
use serde_json::json;

use crate::output::{Failure, Out};

mod revoke;

const DAY_S: u64 = 86_400;

pub fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("init", m)) => init(out, m),
        Some(("issue", m)) => issue(out, m),
        Some(("show", m)) => show(out, m),
        Some(("revoke", m)) => revoke::revoke(out, m),
        _ => Err(Failure::usage("no such command", "run `rumormill certs --help`")),
    }
}

fn home(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    match matches.get_one::<String>("home") {
        Some(home) => Ok(PathBuf::from(home)),
        None => default_home().map_err(|why| Failure::failed(why, "or give --home DIR")),
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
    let issued = ca.issue(name, lasts, dir).map_err(|why| failure(&why, "see `rumormill certs issue --help`"))?;
    out.line(format_args!("certificate {}", issued.certificate.display()));
    out.line(format_args!("key         {} (for this node alone)", issued.key.display()));
    out.line(format_args!("CA          {}", issued.ca.display()));
    out.line(format_args!("expires in {days} days"));
    Ok(ExitCode::SUCCESS)
}

/// Its exit code goes by whose fault it is.
fn failure(why: &CaError, next: &str) -> Failure {
    if why.is_asked_wrongly() { Failure::usage(why, next) } else { Failure::failed(why, next) }
}

fn open(matches: &ArgMatches) -> Result<LocalCa, Failure> {
    LocalCa::open(&home(matches)?).map_err(|why| failure(&why, "or give --home DIR"))
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn show(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let json = matches.get_flag("json");
    match matches.get_one::<String>("what") {
        None => show_ca(out, matches, json),
        Some(what) if Path::new(what).is_file() => {
            let (info, fingerprint) = read_certificate(Path::new(what))
                .map_err(|why| Failure::usage(why, "name a certificate in PEM, or a node that was issued here"))?;
            show_one(out, &info, &fingerprint, json);
            Ok(ExitCode::SUCCESS)
        }
        Some(name) => {
            let path = home(matches)?.join("nodes").join(name).join("cert.pem");
            let (info, fingerprint) = read_certificate(&path)
                .map_err(|why| Failure::usage(why, format!("`rumormill certs issue {name}` issues it")))?;
            show_one(out, &info, &fingerprint, json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show_ca(out: &mut Out, matches: &ArgMatches, json: bool) -> Result<ExitCode, Failure> {
    let ca = open(matches)?;
    let revoked = ca.revocations().map_err(|why| {
        Failure::failed(why, "the list is not this CA's: put back the one that is, from a node or a copy")
    })?;
    let nodes: Vec<_> = revoked.nodes().map(|(node, _)| node.to_string()).collect();
    if json {
        out.line(json!({
            "network": ca.network().to_string(), "automatic": ca.is_automatic(),
            "certificate": ca.certificate_path(), "revocations": revoked.number(),
            "revocations_issued": revoked.issued(), "revoked": nodes,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    out.line(format_args!("network     {}", ca.network()));
    out.line(format_args!("CA          {}", ca.certificate_path().display()));
    out.line(if ca.is_automatic() {
        "made        by itself: serves loopback only"
    } else {
        "made        by `certs init`"
    });
    match revoked.number() {
        0 => out.line("revocations none"),
        number => out.line(format_args!(
            "revocations list {number}, issued {}, {} nodes",
            date(revoked.issued()),
            nodes.len()
        )),
    };
    for (node, revoked) in revoked.nodes() {
        out.line(format_args!("  {node} {}", revoke::what_counts(revoked.cut.as_ref())));
    }
    Ok(ExitCode::SUCCESS)
}

fn show_one(out: &mut Out, info: &CertificateInfo, fingerprint: &str, json: bool) {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let network = info.network.map(|network| network.to_string());
    if json {
        out.line(json!({
            "name": info.name, "node": info.node.to_string(), "network": network, "ca": info.is_ca,
            "not_before": seconds(info.not_before), "not_after": seconds(info.not_after), "sha256": fingerprint,
        }));
        return;
    }
    out.line(format_args!("name        {}", if info.is_ca { "(a CA)" } else { &info.name }));
    out.line(format_args!("node id     {}", info.node));
    out.line(format_args!("network     {}", network.as_deref().unwrap_or("none: this one is pinned")));
    let (from, until, now) = (seconds(info.not_before), seconds(info.not_after), seconds(SystemTime::now()));
    out.line(match Standing::of(from, until, now) {
        Standing::NotYet => format!("expires     it is not valid yet: from {} to {}", date(from), date(until)),
        Standing::Expired => format!("expires     it has expired: {}", date(until)),
        _ => format!("expires     in {} days", until.saturating_sub(now) / DAY_S),
    });
    out.line(format_args!("sha256      {fingerprint}"));
}
