//! Files that may change while the node runs: its certificate (renewed without a restart) and the CA's revocation list.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_transport::{Endpoint, Identity, LocalCa, RevocationSet};
use rumormill_wire::native::MAX_REVOCATION_LEN;

use crate::check::revocations;
use crate::hub::Hub;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// Runs until the node stops.
pub(crate) async fn run(hub: Arc<Hub>, endpoint: Endpoint, home: Option<PathBuf>, files: Option<(PathBuf, PathBuf)>) {
    let list = home.map(|home| LocalCa::revocations_path(&home));
    let mut certificate = Seen::now(files.as_ref().map(|(certificate, _)| certificate.as_path()));
    let mut revoked = Seen::default();
    let mut stopping = hub.stopping();
    let mut links = hub.links_changed();
    let mut rounds = tokio::time::interval(PERIOD);
    let mut in_force = 0;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
            _ = links.changed() => {}
        }
        if let Some((cert, key)) = files.as_ref().filter(|(cert, _)| certificate.changed(cert)) {
            renew(&endpoint, cert, key);
            hub.neighbours.try_again();
        }
        if let Some(path) = list.as_ref().filter(|path| revoked.changed(path)) {
            revoke(&hub, path);
        }
        in_force = refuse_revoked(&hub, &endpoint, in_force);
    }
}

/// When a file was last changed, as far as we have seen.
#[derive(Debug, Default)]
struct Seen(Option<SystemTime>);

impl Seen {
    fn now(path: Option<&Path>) -> Self {
        Self(path.and_then(modified))
    }

    fn changed(&mut self, path: &Path) -> bool {
        let now = modified(path);
        let changed = now.is_some() && now != self.0;
        self.0 = now.or(self.0);
        changed
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|facts| facts.modified()).ok()
}

fn renew(endpoint: &Endpoint, certificate: &Path, key: &Path) {
    let identity = match Identity::load(certificate, key) {
        Ok(identity) => identity,
        Err(error) => return tracing::warn!(%error, "the renewed certificate does not load; the old one stays"),
    };
    if identity.node() != endpoint.identity().node() {
        return tracing::warn!("the new certificate is for another key: another node; restart to become it");
    }
    match endpoint.reload(identity) {
        Ok(()) => tracing::info!(certificate = %certificate.display(), "new links use the renewed certificate"),
        Err(error) => tracing::warn!(%error, "the renewed certificate is not taken; the old one stays"),
    }
}

fn revoke(hub: &Hub, path: &Path) {
    let most = u64::try_from(MAX_REVOCATION_LEN).unwrap_or(u64::MAX);
    if fs::metadata(path).is_ok_and(|facts| facts.len() > most) {
        return tracing::warn!(list = %path.display(), "too long for a revocation list");
    }
    let Ok(bytes) = fs::read(path) else { return };
    let bytes = Bytes::from(bytes);
    match RevocationSet::check(&bytes, &hub.checker.trust) {
        Ok(set) => {
            hub.checker.learn(&set);
            let _ = hub.drive(Input::Revoked { list: revocations(set), bytes });
        }
        Err(error) => tracing::warn!(%error, list = %path.display(), "the revocation list does not hold"),
    }
}

/// Tells the endpoint what was learned from the file or from a neighbour. Gives the number in force.
fn refuse_revoked(hub: &Hub, endpoint: &Endpoint, known: u64) -> u64 {
    let set = crate::lock(&hub.checker.revoked);
    if set.number > known {
        endpoint.set_revoked(set.clone());
    }
    set.number
}
