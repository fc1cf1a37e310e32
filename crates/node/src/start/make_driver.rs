//! The engine, with all that it has to know before the first link comes up.

use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use rumormill_gossip::{Ask, Engine, Evidence, Input};
use rumormill_peering::Peering;
use rumormill_transport::{BadList, Endpoint, Trust, revocation};
use rumormill_wire::NodeId;

use super::credentials::IdentitySigner;
use super::limits::{engine_config, peering_config};
use crate::check::{Checker, evidence_of};
use crate::clock::NodeClock;
use crate::config::NodeConfig;
use crate::disk;
use crate::driver::{Driver, DriverParts};
use crate::names::Names;
use crate::recovery::Recovery;
use crate::start_error::StartError;

/// Makes the engine of what the store has, and tells it of this node and its members.
pub(super) fn make_driver(
    config: &NodeConfig,
    endpoint: &Endpoint,
    recovery: Recovery,
) -> Result<Arc<Driver>, StartError> {
    let Recovery { disk, reads, mut reader, mut recovered, lists, incarnations, meta, fresh, .. } = recovery;
    let (trust, network, me) = (endpoint.trust().clone(), endpoint.network(), endpoint.identity());
    let evidence = match &trust {
        Trust::Network(_) => evidence_of(&Bytes::copy_from_slice(me.certificate_der())),
        Trust::Pinned(_) => Evidence::default(),
    };
    if matches!(trust, Trust::Pinned(_)) {
        // The pin file says who belongs now; who stood in it once does not.
        recovered.members.clear();
    }
    let members = recovered.members.clone();
    for bytes in lists {
        match revocation::check(&bytes, &trust) {
            Ok(part) => drop(recovered.revocations.take(part)),
            // Of a time when this node went by the CA.
            Err(BadList::NoCa) => {}
            Err(why) => tracing::warn!(%why, "a part of the kept revocation list does not hold"),
        }
    }
    let mut rng = StdRng::try_from_rng(&mut SysRng)
        .map_err(|why| StartError::io("get", "random numbers")(std::io::Error::other(why)))?;
    let signer = Box::new(IdentitySigner(Arc::clone(&me)));
    let peering = Peering::new(peering_config(config, me.node(), network), StdRng::from_rng(&mut rng));
    let engine = Engine::new(engine_config(config, network), signer, recovered, Box::new(rng));
    let names = Names::default();
    // The file names its members for all who have it, whether they are linked or not.
    trust.pins().for_each(|(node, name)| names.learn(node, name, &Evidence::default()));
    names.learn(me.node(), &config.name, &evidence);
    let revoked = endpoint.revocations().clone();
    revoked.set(Arc::clone(engine.revocations()));
    let checker = Checker { me: me.node(), network, trust, names, revoked, said_void: false.into() };
    let (clock, runtime) = (NodeClock::start(config.wall.clone()), tokio::runtime::Handle::current());
    let driver = Driver::new(DriverParts { engine, peering, clock, checker, disk, incarnations, runtime });
    let serving = Arc::downgrade(&driver);
    std::thread::Builder::new()
        .name("ranges".to_owned())
        .spawn(move || {
            disk::serve(&reads, reader.as_mut(), |answer| {
                serving.upgrade().map(|driver| driver.was_read(answer)).is_some()
            });
        })
        .map_err(StartError::io("start", "the reading thread"))?;
    driver.keep(meta);
    let _ = driver.drive(Input::WallOffset(driver.clock.wall_offset()));
    let _ = driver.drive(Input::Admit { node: me.node(), evidence });
    for (pinned, _) in driver.checker.trust.pins() {
        let _ = driver.drive(Input::Admit { node: pinned, evidence: Evidence::default() });
    }
    // Of an incarnation that was never used nobody knows anything.
    let ask = if fresh { Ask::Nobody } else { Ask::Neighbours(config.neighbours.len()) };
    let _ = driver.drive(Input::Start(ask));
    learn_names(&driver, members);
    Ok(driver)
}

/// Names are for people, who can wait until many certificates are read.
fn learn_names(driver: &Arc<Driver>, members: Vec<(NodeId, Evidence)>) {
    let driver = Arc::clone(driver);
    drop(tokio::task::spawn_blocking(move || {
        for (member, evidence) in members {
            if let Ok(info) = driver.checker.trust.check_member(&member, &evidence.bytes) {
                driver.checker.names.learn(member, &info.name, &evidence);
            }
        }
    }));
}
