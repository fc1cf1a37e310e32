//! `rumormill certs restore`: the revocation list comes back from the store of a running node.

use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_transport::CaError;

use super::asked::{failure, open};
use super::node;
use crate::output::{Failure, Out, count};

/// Who has to be asked.
const WAYS: &str = "give --state DIR of a running node of this network";
/// What to do where the node that was asked has an old list.
const LATER: &str = "ask another node, which has a later list: `rumormill peers` has the number of each; only if none has, begin anew \
    with `rumormill certs revoke NAME --new-list`";
/// What to do where it has none.
const ANEW: &str = "ask another node, which has a list: `rumormill peers` has the number of each; only if none has, begin anew with \
    `rumormill certs revoke NAME --new-list`";

pub(super) fn restore(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let ca = open(matches)?;
    let parts = node::list(matches, &ca, WAYS)?;
    let done = ca.restore(&parts).map_err(|why| failure(&why, "nothing was changed"))?;
    let (number, nodes) = (done.list.number(), count(done.list.len(), "node"));
    match done.parts {
        0 => out.line(format_args!("nothing to put back: list {number} of this home has all that the node has")),
        parts => out.line(format_args!("put back {}; list {number} has {nodes}", count(parts, "part"))),
    };
    for node in &done.otherwise {
        out.line(format_args!(
            "this home said something else of {node}, which no node took: revoke it again if it is to go"
        ));
    }
    if let Some(quarantine) = &done.quarantine {
        out.shown(format_args!("the damaged list is kept as {}", quarantine.display()));
    }
    if let Some(file) = &done.number_mended {
        out.shown(format_args!(
            "{} was damaged: it says {number} now; if `rumormill peers` shows a node with a later list, restore from that too",
            file.display()
        ));
    }
    ca.last_list().map_err(|why| {
        let next = match &why {
            CaError::ListLost { .. } => LATER,
            _ => ANEW,
        };
        Failure::failed(why, next)
    })?;
    Ok(ExitCode::SUCCESS)
}
