//! What a running node says for the CA.

use std::path::Path;

use clap::ArgMatches;
use rumormill_api::{Client, ClientError, Frontier, Patience, RevocationPart, Whose};
use rumormill_limits::file::owner_of_dir;
use rumormill_transport::LocalCa;
use rumormill_transport::lost_list::AtNode;
use rumormill_wire::native::place_of;
use rumormill_wire::{NodeId, hex};

use crate::output::Failure;
use crate::talk::socket;

/// Whether somebody named a node.
pub(super) fn is_named(matches: &ArgMatches) -> bool {
    matches.contains_id("socket") || matches.contains_id("state")
}

/// Whose node may be asked at this socket.
fn whose(matches: &ArgMatches, socket: &Path) -> Result<Whose, Failure> {
    if !matches.get_flag("node-of-owner") {
        return Ok(Whose::Own);
    }
    let dir = socket.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    owner_of_dir(dir).map(Whose::User).map_err(|why| {
        let what = format!("node-of-owner: {} is not its owner's alone: {why}; nothing was changed", dir.display());
        Failure::failed(what, "mend that, or name another node")
    })
}

/// What the running node has of this one, and of the list where it would stand.
pub(super) fn of(matches: &ArgMatches, ca: &LocalCa, node: &NodeId, ways: &str) -> Result<(Frontier, AtNode), Failure> {
    let path = socket(matches)?;
    let whose = whose(matches, &path)?;
    let answer = crate::runtime::runtime(1)?.block_on(async {
        let mut client = Client::connect_to(&path, whose, Patience::default()).await?;
        Ok((client.frontier(node).await?, client.revocation_part(place_of(node)).await?))
    });
    let (frontier, part) = answer.map_err(|why| failed(matches, &why, ways))?;
    check_network(ca, &path, &frontier.network, ways)?;
    let at_node = AtNode { list: part.list, part: bytes(&part)? };
    Ok((frontier, at_node))
}

/// All parts of the list that it has in force.
pub(super) fn list(matches: &ArgMatches, ca: &LocalCa, ways: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let path = socket(matches)?;
    let whose = whose(matches, &path)?;
    let answer = crate::runtime::runtime(1)?.block_on(async {
        let mut client = Client::connect_to(&path, whose, Patience::default()).await?;
        let mut parts = Vec::new();
        for place in 0..=u8::MAX {
            parts.push(client.revocation_part(place).await?);
        }
        Ok(parts)
    });
    let parts = answer.map_err(|why| failed(matches, &why, ways))?;
    for part in &parts {
        check_network(ca, &path, &part.network, ways)?;
    }
    parts.iter().filter_map(|part| bytes(part).transpose()).collect()
}

fn failed(matches: &ArgMatches, why: &ClientError, ways: &str) -> Failure {
    match why {
        // Nobody was named and nobody is there: what is wanted has to be said.
        ClientError::Connect { .. } if !is_named(matches) => {
            Failure::usage("no running node is at hand that says what counts; nothing was changed", ways)
        }
        ClientError::Stranger { .. } => Failure::failed(
            format!("{why}; nothing was changed"),
            "if the node of that user is meant, and --state is that user's directory, say --node-of-owner: its word is taken then",
        ),
        why => Failure::failed(format!("{why}; nothing was changed"), ways),
    }
}

fn check_network(ca: &LocalCa, path: &Path, network: &str, ways: &str) -> Result<(), Failure> {
    if network == ca.network().to_string() {
        return Ok(());
    }
    let what = format!("the node at {} is of another network than this CA; nothing was changed", path.display());
    Err(Failure::usage(what, ways))
}

fn bytes(part: &RevocationPart) -> Result<Option<Vec<u8>>, Failure> {
    let Some(digits) = &part.part else { return Ok(None) };
    match hex::bytes_of(digits) {
        Some(bytes) => Ok(Some(bytes)),
        None => {
            Err(Failure::failed("what the node says is no part of a list; nothing was changed", "ask another node"))
        }
    }
}
