//! `rumormill certs restore`: the revocation list comes back from the store of a running node.

use std::process::ExitCode;

use clap::ArgMatches;

use super::asked::{failure, open};
use super::node;
use crate::output::{Failure, Out, count};

/// Who has to be asked.
const WAYS: &str = "give --state DIR of a running node of this network";

pub(super) fn restore(out: &mut Out, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let ca = open(matches)?;
    let parts = node::list(matches, &ca, WAYS)?;
    let done =
        ca.restore(&parts).map_err(|why| failure(&why, "nothing was changed; move a file that does not hold away"))?;
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
    if let Err(why) = ca.last_list() {
        return Err(failure(
            &why,
            "ask another node, which has a later list; `rumormill peers` has the number of each",
        ));
    }
    Ok(ExitCode::SUCCESS)
}
