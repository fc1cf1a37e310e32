//! What a menu says when its node cannot carry it.

use std::net::SocketAddr;

use rumormill_api::ClientError;
use rumormill_doors::DoorError;

pub(super) fn taken(own: SocketAddr, by: &str) -> DoorError {
    let next = "choose another port, or another address with --listen, or end that menu".to_owned();
    DoorError::Carrier { reason: format!("{own} is taken by {by}"), next }
}

pub(super) fn broken(why: ClientError) -> DoorError {
    match why {
        ClientError::Refused(reason) | ClientError::Wrong(reason) => DoorError::Carrier { reason, next: String::new() },
        why => gone(&why.to_string()),
    }
}

pub(super) fn gone(reason: &str) -> DoorError {
    let next = "start the node with `rumormill node --name NAME --state DIR`, then the menu again".to_owned();
    DoorError::Carrier { reason: reason.to_owned(), next }
}
