//! A store belongs to one network. What another network's members have signed would be shown as verified, and neighbours would
//! think us a liar for it.

use std::path::Path;

use bytes::Bytes;
use rumormill_gossip::verify_header;
use rumormill_store::{Record, Recovered as Stored};
use rumormill_transport::CertificateInfo;
use rumormill_wire::NetworkId;

use crate::start_error::StartError;

/// Under which name a store keeps its network.
const KEY: &str = "network";

/// What a store keeps from its first start on.
pub(super) fn record(network: NetworkId) -> Record {
    Record::Meta { key: KEY.to_owned(), value: Bytes::copy_from_slice(network.as_bytes()) }
}

/// Sees that a store is of this network.
pub(super) fn check(stored: &Stored, file: &Path, network: NetworkId) -> Result<(), StartError> {
    let store = file.to_owned();
    match stored.meta(KEY).map(|value| <[u8; 32]>::try_from(&value[..])) {
        Some(Ok(found)) if found == network.0 => Ok(()),
        Some(Ok(found)) => Err(StartError::OtherNetwork { store, found: NetworkId(found), ours: network }),
        // One from before stores said so, or one that was damaged: what is in it is signed.
        Some(Err(_)) | None if holds(stored, network) => Ok(()),
        Some(Err(_)) | None => Err(StartError::UnknownNetwork { store, ours: network }),
    }
}

fn holds(stored: &Stored, network: NetworkId) -> bool {
    let chains = stored.chains.iter().all(|chain| verify_header(&chain.head_signed, &network).is_ok());
    // With pinned trust there are no certificates, or some without a network.
    let of_another = |evidence: &Bytes| {
        let info = CertificateInfo::read(evidence).ok();
        info.and_then(|info| info.network).is_some_and(|found| found != network)
    };
    chains && !stored.members.iter().any(|(_, evidence)| of_another(evidence))
}
