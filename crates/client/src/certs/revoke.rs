//! `rumormill certs revoke`: by default what a running node has of the revoked one counts, and nothing that it signs later.

use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_api::{Client, ClientError, Frontier};
use rumormill_node::certs::{Cut, Done, Incarnation, LocalCa, NodeId, Seq};

use super::asked::{failure, open, text};
use crate::output::{Failure, Out, count};
use crate::talk::socket;

/// What is left open without a node that is asked.
const WAYS: &str = "give --state DIR of a running node: what it has counts, and nothing that the key signs later; or \
    --no-cut: its links end, but what the key signs later counts wherever another member brings it; or --cut-all: none \
    of its messages counts, old ones neither";

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

pub(super) fn revoke(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let who = text(matches, "who");
    let ca = open(matches)?;
    let node = match who.parse::<NodeId>() {
        Ok(node) => node,
        Err(_) => ca.issued(who).map_err(|why| failure(&why, "`rumormill certs show NAME|FILE` shows node ids"))?.node,
    };
    let (cut, not_told) = match (matches.get_flag("no-cut"), matches.get_flag("cut-all")) {
        (true, _) => (None, 0),
        (_, true) => (Some(Cut::new()), 0),
        _ => {
            let (cut, not_told) = ask(matches, &ca, &node)?;
            (Some(cut), not_told)
        }
    };
    let done = ca.revoke(node, cut).map_err(|why| Failure::failed(why, "nothing was changed"))?;
    say(out, &node, &done, not_told);
    Ok(ExitCode::SUCCESS)
}

fn say(out: &mut Out, node: &NodeId, done: &Done, not_told: usize) {
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
        out.line("to cut it later, revoke it again with --state of a running node");
    }
    if !done.dropped.is_empty() {
        out.line(format_args!("{} whose certificates ended long ago left the list", done.dropped.len()));
    }
    out.line("nodes of this home drop its links within seconds; elsewhere copy revoked.bin beside the CA certificate");
}

/// Asks a running node what it has.
fn ask(matches: &ArgMatches, ca: &LocalCa, node: &NodeId) -> Result<(Cut, usize), Failure> {
    let path = socket(matches)?;
    let answer = crate::runtime::runtime(1)?.block_on(async {
        let mut client = Client::connect(&path).await?;
        client.frontier(node).await
    });
    let named = matches.contains_id("socket") || matches.contains_id("state");
    let Frontier { network, chains, left_out } = answer.map_err(|why| match why {
        // Nobody was named and nobody is there: what is wanted has to be said.
        ClientError::Connect { .. } if !named => Failure::usage(
            "no running node is at hand that says what counts of its messages; nothing was changed",
            WAYS,
        ),
        why => Failure::failed(format!("{why}; nothing was changed"), WAYS),
    })?;
    if network != ca.network().to_string() {
        let what = format!("the node at {} is of another network than this CA; nothing was changed", path.display());
        return Err(Failure::usage(what, WAYS));
    }
    Ok((chains.into_iter().map(|(incarnation, last)| (Incarnation(incarnation), Seq(last))).collect(), left_out))
}
