//! `rumormill certs`: make a CA, issue, show, revoke.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use rumormill_node::certs::{
    CertificateInfo, Incarnation, LocalCa, NodeId, Seq, default_home, read_certificate, read_revocations,
};
use rumormill_node::socket::Client;
use serde_json::json;

use crate::output::{Failure, line};

const DAY_S: u64 = 86_400;

pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("init", m)) => init(m),
        Some(("issue", m)) => issue(m),
        Some(("show", m)) => show(m),
        Some(("revoke", m)) => revoke(m),
        _ => Err(Failure::usage("no such command", "run `rumormill certs --help`")),
    }
}

fn home(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    match matches.get_one::<String>("home") {
        Some(home) => Ok(PathBuf::from(home)),
        None => default_home().map_err(|why| Failure::failed(why, "or give --home DIR")),
    }
}

fn init(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let home = home(matches)?;
    let ca =
        LocalCa::init(&home).map_err(|why| Failure::failed(why, "give another --home DIR, or move the old CA away"))?;
    line(format_args!("made a CA in {}", home.join("ca").display()));
    line(format_args!("network {}", ca.network()));
    line("next: `rumormill certs issue NAME --out DIR` for each node; keep ca.key to yourself");
    Ok(ExitCode::SUCCESS)
}

fn issue(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let name = text(matches, "name");
    let ca = open(matches)?;
    let days = matches.get_one::<u32>("days").copied().unwrap_or(398);
    let out = matches.get_one::<String>("out").map(Path::new);
    let lasts = Duration::from_secs(u64::from(days).saturating_mul(DAY_S));
    let issued =
        ca.issue(name, lasts, out).map_err(|why| Failure::failed(why, "see `rumormill certs issue --help`"))?;
    line(format_args!("certificate {}", issued.certificate.display()));
    line(format_args!("key         {} (for this node alone)", issued.key.display()));
    line(format_args!("CA          {}", issued.ca.display()));
    line(format_args!("expires in {days} days"));
    Ok(ExitCode::SUCCESS)
}

fn open(matches: &ArgMatches) -> Result<LocalCa, Failure> {
    LocalCa::open(&home(matches)?).map_err(|why| Failure::failed(why, "or give --home DIR"))
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn show(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let json = matches.get_flag("json");
    match matches.get_one::<String>("what") {
        None => show_ca(matches, json),
        Some(what) if Path::new(what).is_file() => {
            let (info, fingerprint) = read_certificate(Path::new(what))
                .map_err(|why| Failure::failed(why, "name a certificate in PEM, or a node that was issued here"))?;
            show_one(&info, &fingerprint, json);
            Ok(ExitCode::SUCCESS)
        }
        Some(name) => {
            let path = home(matches)?.join("nodes").join(name).join("cert.pem");
            let (info, fingerprint) = read_certificate(&path)
                .map_err(|why| Failure::failed(why, format!("`rumormill certs issue {name}` issues it")))?;
            show_one(&info, &fingerprint, json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show_ca(matches: &ArgMatches, json: bool) -> Result<ExitCode, Failure> {
    let ca = open(matches)?;
    let revoked =
        read_revocations(&ca).map_err(|why| Failure::failed(why, "the list is not this CA's: move it away"))?;
    let nodes: Vec<_> = revoked.nodes.keys().map(NodeId::to_string).collect();
    if json {
        line(json!({
            "network": ca.network().to_string(), "automatic": ca.is_automatic(),
            "certificate": ca.certificate_path(), "revocations": revoked.number, "revoked": nodes,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    line(format_args!("network     {}", ca.network()));
    line(format_args!("CA          {}", ca.certificate_path().display()));
    line(if ca.is_automatic() { "made        by itself: serves loopback only" } else { "made        by `certs init`" });
    line(format_args!("revocations list {}, {} nodes", revoked.number, nodes.len()));
    for node in nodes {
        line(format_args!("  {node}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn show_one(info: &CertificateInfo, fingerprint: &str, json: bool) {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let network = info.network.map(|network| network.to_string());
    if json {
        line(json!({
            "name": info.name, "node": info.node.to_string(), "network": network, "ca": info.is_ca,
            "not_before": seconds(info.not_before), "not_after": seconds(info.not_after), "sha256": fingerprint,
        }));
        return;
    }
    line(format_args!("name        {}", if info.is_ca { "(a CA)" } else { &info.name }));
    line(format_args!("node id     {}", info.node));
    line(format_args!("network     {}", network.as_deref().unwrap_or("none: this one is pinned")));
    let left = seconds(info.not_after).checked_sub(seconds(SystemTime::now()));
    line(match left {
        Some(left) => format!("expires     in {} days", left / DAY_S),
        None => "expires     it has expired".to_owned(),
    });
    line(format_args!("sha256      {fingerprint}"));
}

fn revoke(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let who = text(matches, "who");
    let ca = open(matches)?;
    let node = match who.parse::<NodeId>() {
        Ok(node) => node,
        Err(_) => {
            ca.issued(who).map_err(|why| Failure::failed(why, "`rumormill certs show NAME|FILE` shows node ids"))?.node
        }
    };
    let cut = match matches.get_one::<String>("socket") {
        Some(socket) => Some(ask_cut(Path::new(socket), &node)?),
        None => None,
    };
    let kept = cut.as_ref().map(|cut| cut.values().map(|seq| seq.0).sum::<u64>());
    let set = ca.revoke(node, cut).map_err(|why| Failure::failed(why, "nothing was changed"))?;
    line(format_args!("revoked {node}; list {} has {} nodes", set.number, set.nodes.len()));
    line(match kept {
        Some(kept) => format!("its first {kept} messages count, later ones do not"),
        None => "its messages stay; with --socket of a running node, later ones would not count".to_owned(),
    });
    line("nodes of this home drop its links within seconds; elsewhere copy revoked.bin beside the CA certificate");
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
