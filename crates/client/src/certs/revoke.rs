//! `rumormill certs revoke`: by default what a running node has of the revoked one counts, and nothing that it signs later.

use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_api::{Frontier, date};
use rumormill_transport::LocalCa;
use rumormill_transport::lost_list::Before;
use rumormill_transport::revoke::{Cut, Done, OddDate};
use rumormill_wire::{Incarnation, NodeId, Seq};

use super::asked::{failure, open, text};
use super::node;
use super::shown::{in_brackets, what_counts};
use crate::output::{Failure, Out, count};

/// What is left open without a node that is asked.
const WAYS: &str = "give --state DIR of a running node: what it has counts, and nothing that the key signs later; or \
    --no-cut: its links end, but what the key signs later counts wherever another member brings it; or --cut-all: none \
    of its messages counts, old ones neither";

pub(super) fn revoke(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let who = text(matches, "who");
    let ca = open(matches)?;
    let id = match who.parse::<NodeId>() {
        Ok(node) => node,
        Err(_) => named(&ca, who)?,
    };
    let (no_cut, cut_all) = (matches.get_flag("no-cut"), matches.get_flag("cut-all"));
    // With one of these nobody has to be asked what counts; a node that is named is asked for its list all the same.
    let asked =
        if (no_cut || cut_all) && !node::is_named(matches) { None } else { Some(node::of(matches, &ca, &id, WAYS)?) };
    let (frontier, at_node) = asked.unzip();
    let (cut, not_told) = match frontier {
        _ if no_cut => (None, 0),
        Some(Frontier { chains, left_out, .. }) if !cut_all => (Some(cut_at(chains)), left_out),
        _ => (Some(Cut::new()), 0),
    };
    let before = Before { at_node, begin_anew: matches.get_flag("new-list") };
    let done = ca.revoke_after(&before, id, cut).map_err(|why| {
        let what = if why.is_list_lost() {
            format!("{why}; nodes would not take what follows on it, and nothing was changed")
        } else {
            why.to_string()
        };
        Failure::failed(what, why.way_out().unwrap_or("nothing was changed"))
    })?;
    say(out, &ca, &id, &done, not_told);
    Ok(ExitCode::SUCCESS)
}

/// The node that has this name, if no other had it that may be meant.
fn named(ca: &LocalCa, who: &str) -> Result<NodeId, Failure> {
    let node = ca.issued(who).map_err(|why| failure(&why, "`rumormill certs show NAME|FILE` shows node ids"))?.node;
    let list = ca.revocations().map_err(|why| failure(&why, "nothing was changed"))?;
    let uncut = |other: &NodeId| list.get(other).is_some_and(|revoked| revoked.cut.is_none());
    let before = ca.names().into_iter().find(|(other, names)| *other != node && names.contains(who) && uncut(other));
    match before {
        None => Ok(node),
        Some((before, _)) => Err(Failure::usage(
            format_args!(
                "{who} is the name of {node}, and was that of {before}, which is revoked and whose later messages count; nothing was changed"
            ),
            "say by its node id which of the two you mean",
        )),
    }
}

fn cut_at(chains: Vec<(u64, u64)>) -> Cut {
    chains.into_iter().map(|(incarnation, last)| (Incarnation(incarnation), Seq(last))).collect()
}

/// What a date that does not go well with the one before can mean.
fn odd_date(odd: OddDate, now: u64) -> String {
    match odd {
        OddDate::Later { before } => format!(
            "warning: this list is dated {}, more than a year after the list before, {}: if the clock of this machine is ahead, \
             set it now; entries are dropped as expired by two such dates",
            date(now),
            date(before)
        ),
        OddDate::Earlier { before } => format!(
            "warning: this list is dated {}, before the list before, {}: the clock of this machine is wrong now, or was then",
            date(now),
            date(before)
        ),
    }
}

fn say(out: &mut Out, ca: &LocalCa, node: &NodeId, done: &Done, not_told: usize) {
    let cut = done.list.get(node).and_then(|revoked| revoked.cut.as_ref());
    out.line(format_args!("revoked {node}; list {} has {}", done.list.number(), count(done.list.len(), "node")));
    out.line(what_counts(cut));
    let left_out = done.left_out.saturating_add(not_told);
    if left_out > 0 {
        out.line(format_args!(
            "of {} of it more no message counts: a cut names so many and no more",
            count(left_out, "incarnation")
        ));
    }
    if cut.is_none() {
        // Its name may be another key's by then.
        out.line(format_args!("to cut it later: rumormill certs revoke {node} --home {} --state STATE, of a running node; `log` marks what it signs until then", ca.home().display()));
    }
    if let Some(odd) = done.odd_date {
        out.line(odd_date(odd, done.list.issued()));
    }
    if !done.dropped.is_empty() {
        let names = ca.names();
        for node in &done.dropped {
            out.shown(format_args!("dropped as expired: {node}{}", in_brackets(names.get(node))));
        }
        out.line("if the certificate of one of them is still valid, set the clock of this machine and revoke it again by its node id");
    }
    out.line("nodes of this home drop its links within seconds; elsewhere copy revoked.bin beside the CA certificate");
}
