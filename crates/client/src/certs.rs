//! `rumormill certs`: make a CA, issue, show, revoke.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use rumormill_node::certs::{
    CaError, CertificateInfo, Incarnation, LocalCa, NodeId, Seq, default_home, read_certificate, read_revocations,
};
use rumormill_node::socket::Client;
use serde_json::json;

use crate::output::{Failure, Out};

const DAY_S: u64 = 86_400;

pub fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("init", m)) => init(out, m),
        Some(("issue", m)) => issue(out, m),
        Some(("show", m)) => show(out, m),
        Some(("revoke", m)) => revoke(out, m),
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
    let revoked =
        read_revocations(&ca).map_err(|why| Failure::failed(why, "the list is not this CA's: move it away"))?;
    let nodes: Vec<_> = revoked.nodes.keys().map(NodeId::to_string).collect();
    if json {
        out.line(json!({
            "network": ca.network().to_string(), "automatic": ca.is_automatic(),
            "certificate": ca.certificate_path(), "revocations": revoked.number, "revoked": nodes,
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
    out.line(format_args!("revocations list {}, {} nodes", revoked.number, nodes.len()));
    for node in nodes {
        out.line(format_args!("  {node}"));
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
    let left = seconds(info.not_after).checked_sub(seconds(SystemTime::now()));
    out.line(match left {
        Some(left) => format!("expires     in {} days", left / DAY_S),
        None => "expires     it has expired".to_owned(),
    });
    out.line(format_args!("sha256      {fingerprint}"));
}

fn revoke(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let who = text(matches, "who");
    let ca = open(matches)?;
    let node = match who.parse::<NodeId>() {
        Ok(node) => node,
        Err(_) => ca.issued(who).map_err(|why| failure(&why, "`rumormill certs show NAME|FILE` shows node ids"))?.node,
    };
    let cut = match matches.get_one::<String>("socket") {
        Some(socket) => Some(ask_cut(Path::new(socket), &node)?),
        None => None,
    };
    let kept = cut.as_ref().map(|cut| cut.values().map(|seq| seq.0).sum::<u64>());
    let set = ca.revoke(node, cut).map_err(|why| Failure::failed(why, "nothing was changed"))?;
    out.line(format_args!("revoked {node}; list {} has {} nodes", set.number, set.nodes.len()));
    out.line(match kept {
        Some(kept) => format!("its first {kept} messages count, later ones do not"),
        None => "its messages stay; with --socket of a running node, later ones would not count".to_owned(),
    });
    out.line("nodes of this home drop its links within seconds; elsewhere copy revoked.bin beside the CA certificate");
    Ok(ExitCode::SUCCESS)
}

fn ask_cut(socket: &Path, node: &NodeId) -> Result<BTreeMap<Incarnation, Seq>, Failure> {
    let answer = crate::runtime(1)?.block_on(async {
        let mut client = Client::connect(socket).await?;
        client.frontier(node).await
    });
    let frontier = answer.map_err(|why| Failure::failed(why, "start that node, or revoke without --socket"))?;
    Ok(frontier.into_iter().map(|(incarnation, last)| (Incarnation(incarnation), Seq(last))).collect())
}
