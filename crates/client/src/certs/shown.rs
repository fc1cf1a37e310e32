//! `rumormill certs show`: a certificate, or the CA with its revocation list.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use rumormill_api::{Foreign, Standing, date, foreign};
use rumormill_limits::DAY_S;
use rumormill_transport::certificate::is_name;
use rumormill_transport::revoke::Cut;
use rumormill_transport::{CaError, CertificateInfo, LocalCa, Revocations};
use serde_json::{Value, json};

use super::asked::{failure, home, open};
use super::read::read_certificate;
use crate::output::{Failure, Out, count};

/// What may be named.
const WAYS: &str = "name a certificate in PEM, or a node that was issued here; with nothing given the CA and its \
    revocation list are shown";

/// What to do where the certificate of a name was damaged.
const MADE_ANEW: &str = "`rumormill certs issue NAME` makes it anew, by the key that it was for";

pub(super) fn show(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let json = matches.get_flag("json");
    let Some(what) = matches.get_one::<String>("what") else { return show_ca(out, matches, json) };
    let mut path = Path::new(what).to_owned();
    if !path.is_file() && is_name(what) {
        let home = home(matches)?;
        path = home.join("nodes").join(what).join("cert.pem");
        if matches!(path.try_exists(), Ok(false)) {
            let wrong = format!("no certificate for {what} was issued here ({})", home.display());
            let next = format!("`rumormill certs issue {what}` issues one; or give --home DIR, or a certificate file");
            return Err(Failure::usage(wrong, next));
        }
    }
    if matches!(path.try_exists(), Ok(false)) {
        return Err(Failure::usage(format!("there is no file {what}"), WAYS));
    }
    let ways = if path == Path::new(what) { WAYS } else { MADE_ANEW };
    let (info, fingerprint) = read_certificate(&path).map_err(|why| Failure::usage(why, ways))?;
    show_one(out, &info, &fingerprint, &ListSays::of(matches, &info), json);
    Ok(ExitCode::SUCCESS)
}

/// What the list of this home says of a certificate.
enum ListSays {
    /// Its key is not on it, or there is none.
    Free,
    /// The number of the list, and what counts.
    Revoked(u64, Option<Cut>),
    /// It cannot be read.
    Unknown(String),
}

impl ListSays {
    fn of(matches: &ArgMatches, info: &CertificateInfo) -> Self {
        // Without a home there is no list, and a home without a CA has none.
        let Ok(home) = home(matches) else { return Self::Free };
        let ca = match LocalCa::open(&home) {
            Ok(ca) => ca,
            Err(CaError::Missing(_)) => return Self::Free,
            Err(why) => return Self::Unknown(why.to_string()),
        };
        // The list of another network says nothing of it.
        if info.network != Some(ca.network()) {
            return Self::Free;
        }
        match ca.revocations().map(|list| (list.number(), list.get(&info.node).cloned())) {
            Ok((number, Some(revoked))) => Self::Revoked(number, revoked.cut),
            // By a list that is lost nobody can say who is free.
            Ok((_, None)) => ca.last_list().map_or_else(|why| Self::Unknown(why.to_string()), |_| Self::Free),
            Err(why) => Self::Unknown(why.to_string()),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Free => Value::Null,
            Self::Revoked(number, cut) => {
                json!({ "list": number, "cut": cut_json(cut.as_ref()), "counts": what_counts(cut.as_ref()) })
            }
            Self::Unknown(why) => json!({ "unknown": why }),
        }
    }
}

/// Incarnations with the last number that counts; null without a cut.
fn cut_json(cut: Option<&Cut>) -> Value {
    cut.map_or(Value::Null, |cut| {
        cut.iter().map(|(incarnation, last)| (incarnation.0.to_string(), json!(last.0))).collect()
    })
}

fn show_ca(out: &mut Out, matches: &ArgMatches, json: bool) -> Result<ExitCode, Failure> {
    let ca = open(matches)?;
    let revoked = ca.revocations().map_err(|why| failure(&why, "see that it can be read"))?;
    let lost = ca.last_list().err();
    let (lost, way) = (lost.as_ref().map(CaError::to_string), lost.as_ref().and_then(CaError::way_out));
    if json {
        out.line(json_line(&ca_json(&ca, &revoked, lost.as_deref())));
        return Ok(ExitCode::SUCCESS);
    }
    out.shown(format_args!("network     {}", ca.network()));
    out.shown(format_args!("CA          {}", ca.certificate_path().display()));
    out.line(if ca.is_automatic() {
        "made        by itself: serves loopback only"
    } else {
        "made        by `certs init`"
    });
    match revoked.number() {
        0 => out.line("revocations none"),
        number => out.shown(format_args!(
            "revocations list {number}, issued {}, {}",
            date(revoked.issued()),
            count(revoked.len(), "node")
        )),
    };
    if let Some(why) = &lost {
        out.shown(format_args!("            {}", Foreign::new(why)));
        out.line(format_args!("            {}", way.unwrap_or("see that it can be read")));
    }
    let names = ca.names();
    for (node, revoked) in revoked.nodes() {
        let known = in_brackets(names.get(node));
        out.shown(format_args!("  {node}{known} {}", what_counts(revoked.cut.as_ref())));
    }
    Ok(ExitCode::SUCCESS)
}

/// What counts of a revoked node, in words.
pub(super) fn what_counts(cut: Option<&Cut>) -> String {
    match cut {
        None => "all its messages count, later ones too".to_owned(),
        Some(cut) => match cut.values().map(|last| last.0).fold(0, u64::saturating_add) {
            0 => "none of its messages counts".to_owned(),
            1 => "its first message counts, later ones do not".to_owned(),
            n => format!("its first {n} messages count, later ones do not"),
        },
    }
}

/// The names of a node, to stand behind its id; nothing where none is known.
pub(super) fn in_brackets(names: Option<&BTreeSet<String>>) -> String {
    names.map_or_else(String::new, |names| {
        format!(" ({})", Vec::from_iter(names.iter().map(|name| Foreign::new(name).name().to_string())).join(", "))
    })
}

/// What a terminal would obey stands as `\uXXXX`: the same value.
fn json_line(value: &Value) -> String {
    foreign::json(&value.to_string()).into_owned()
}

fn ca_json(ca: &LocalCa, revoked: &Revocations, lost: Option<&str>) -> Value {
    let names = ca.names();
    let nodes: Vec<_> = revoked
        .nodes()
        .map(|(node, revoked)| {
            let names: Vec<_> = names.get(node).into_iter().flatten().collect();
            json!({
                "node": node.to_string(), "names": names, "cut": cut_json(revoked.cut.as_ref()),
                "counts": what_counts(revoked.cut.as_ref()),
            })
        })
        .collect();
    json!({
        "network": ca.network().to_string(), "automatic": ca.is_automatic(),
        "certificate": ca.certificate_path(), "revocations": revoked.number(),
        "revocations_issued": revoked.issued(), "revoked": nodes,
        "revocations_lost": lost,
    })
}

fn show_one(out: &mut Out, info: &CertificateInfo, fingerprint: &str, revoked: &ListSays, json: bool) {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let network = info.network.map(|network| network.to_string());
    if json {
        out.line(json_line(&json!({
            "name": info.name, "node": info.node.to_string(), "network": network, "ca": info.is_ca,
            "not_before": seconds(info.not_before), "not_after": seconds(info.not_after), "sha256": fingerprint,
            "revoked": revoked.json(),
        })));
        return;
    }
    out.shown(format_args!(
        "name        {}",
        if info.is_ca { "(a CA)".to_owned() } else { Foreign::new(&info.name).name().to_string() }
    ));
    out.shown(format_args!("node id     {}", info.node));
    out.shown(format_args!("network     {}", network.as_deref().unwrap_or("none: this one is pinned")));
    let (from, until, now) = (seconds(info.not_before), seconds(info.not_after), seconds(SystemTime::now()));
    out.line(match Standing::of(from, until, now) {
        Standing::NotYet => format!("expires     it is not valid yet: from {} to {}", date(from), date(until)),
        Standing::Expired => format!("expires     it has expired: {}", date(until)),
        _ => format!("expires     in {}", count(until.saturating_sub(now) / DAY_S, "day")),
    });
    match revoked {
        ListSays::Free => {}
        ListSays::Revoked(number, cut) => {
            out.shown(format_args!("revoked     list {number}, {}", what_counts(cut.as_ref())));
        }
        ListSays::Unknown(why) => {
            out.shown(format_args!("revoked     not known: {}", Foreign::new(why)));
        }
    }
    out.shown(format_args!("sha256      {fingerprint}"));
}
