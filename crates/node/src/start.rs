//! From a configuration to a running node.

mod credentials;
mod limits;

use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use rumormill_gossip::{Ask, Engine, Evidence, Input};
use rumormill_peering::Peering;
use rumormill_transport::endpoint::EndpointConfig;
use rumormill_transport::{BadList, Endpoint, Listener, Trust, revocation};
use rumormill_wire::{Incarnation, NodeId, Origin};

use crate::check::{Checker, evidence_of};
use crate::clock::{NodeClock, after};
use crate::config::{ConfigError, IdentitySource, NodeConfig, StoreKind};
use crate::disk;
use crate::driver::{Driver, Parts};
use crate::handle::{Inner, NodeHandle};
use crate::letters::Kept;
use crate::linking::greet::Greeting;
use crate::linking::{Linker, accept, dial};
use crate::names::Names;
use crate::recovery::Recovery;
use crate::start_error::StartError;
use crate::{descriptors, doors, keeper, proofs, reload, rounds};
use credentials::IdentitySigner;
use limits::{admission_limits, engine_config, link_limits, peering_config};

pub use credentials::Credentials;

/// How long an address in use is tried for.
const BIND_PATIENCE: Duration = Duration::from_secs(2);

/// A node on its way. Boxed, so that all that a node does is compiled once and not in each crate that starts one (1 MB of a program).
pub type Starting = Pin<Box<dyn Future<Output = Result<NodeHandle, StartError>> + Send>>;

/// Starts a node. Its tasks run on the caller's runtime until [`NodeHandle::shutdown`].
///
/// # Errors
/// Names the setting, file or address and what is wrong with it.
#[must_use]
pub fn start(config: NodeConfig) -> Starting {
    start_on(config, None)
}

/// As [`start()`], with a socket that listens already on `config.listen`: whoever dials meanwhile waits instead of being refused.
///
/// # Errors
/// As [`start()`].
#[must_use]
#[inline(never)]
pub fn start_on(config: NodeConfig, socket: Option<TcpListener>) -> Starting {
    Box::pin(async move {
        check(&config)?;
        let (config, credentials) = blocking(move || Credentials::load(&config).map(|loaded| (config, loaded))).await?;
        start_with_all(config, credentials, socket).await
    })
}

/// What of a configuration only those can check who use it. Makes nothing.
pub(crate) fn check(config: &NodeConfig) -> Result<(), ConfigError> {
    config.check_places()?;
    Ok(doors::check(config)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let failed = |why: tokio::task::JoinError| StartError::io("run", "a task")(std::io::Error::other(why));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Starts a node with credentials at hand.
///
/// # Errors
/// As [`start()`].
#[must_use]
#[inline(never)]
pub fn start_with(config: NodeConfig, credentials: Credentials) -> Starting {
    Box::pin(async move {
        check(&config)?;
        start_with_all(config, credentials, None).await
    })
}

async fn start_with_all(
    config: NodeConfig,
    credentials: Credentials,
    socket: Option<TcpListener>,
) -> Result<NodeHandle, StartError> {
    let Credentials { identity, trust, loopback_only, home, files } = credentials;
    let me = Origin { node: identity.node(), incarnation: Incarnation(0) };
    let (mut admission, link) = (admission_limits(&config), link_limits(&config));
    admission.descriptors = descriptors::prepare(&config);
    let endpoint = Endpoint::new(EndpointConfig {
        identity,
        trust,
        loopback_only,
        admission,
        link,
        post_quantum: config.post_quantum,
    })
    .map_err(|why| StartError::Tls(why.to_string()))?;
    // The address is taken first: if another node has it, nothing else is touched.
    let listener = match socket {
        Some(socket) => endpoint.listen(listening(socket).map_err(StartError::io("listen on", config.listen))?),
        None => bind(&endpoint, &config).await?,
    };
    let local_addr = listener.local_addr();
    let doors = doors::Bound::bind(&config.doors, config.state.as_deref()).await?;
    let mut recovery = blocking({
        // Files that were given are not ours to write beside.
        let ours = matches!(config.identity, IdentitySource::LocalCa { .. });
        let (config, home, network) = (config.clone(), home.clone().filter(|_| ours), endpoint.network());
        move || Recovery::open(&config, home.as_deref(), me, network)
    })
    .await?;
    // The store's lock on the directory is ours by now.
    let letters = match doors.need_letters() {
        true => Some(
            blocking({
                let (state, network, wall) = (config.state.clone(), endpoint.network(), config.wall.clone());
                move || Kept::open(state.as_deref(), &network, me.node, wall)
            })
            .await?,
        ),
        false => None,
    };
    let incarnation = recovery.recovered.me.incarnation;
    let keeper = recovery.keeper.clone();
    let useless = core::mem::take(&mut recovery.useless_proofs);
    let driver = make_driver(&config, &endpoint, recovery)?;
    reload::at_start(&driver, home.as_deref()).await;
    tokio::spawn(proofs::drop_useless(Arc::clone(&driver), useless));
    let greeting = Greeting { network: endpoint.network(), name: config.name.clone() };
    let linker = Linker { driver: Arc::clone(&driver), endpoint: endpoint.clone(), greeting };
    let known: Vec<_> = config.neighbours.iter().map(|neighbour| neighbour.addr.ip()).collect();
    endpoint.set_neighbours(known.iter().copied());
    endpoint.set_known_members(known.iter().copied());
    tokio::spawn(accept::accept(linker.clone(), listener));
    tokio::spawn(dial::keep_linked(linker));
    tokio::spawn({
        let driver = Arc::clone(&driver);
        async move { driver.run_timer().await }
    });
    tokio::spawn(rounds::run(Arc::clone(&driver), endpoint.clone(), config.ping, known));
    tokio::spawn(Arc::clone(&driver).run_due());
    if let Some(keeper) = keeper.clone() {
        tokio::spawn(keeper::run(Arc::clone(&driver), keeper));
    }
    tokio::spawn(reload::run(Arc::clone(&driver), endpoint.clone(), home, files));
    tracing::info!(name = %config.name, node = %me.node, addr = %local_addr, incarnation = incarnation.0, "listening");
    // What is in a file was there before and is not seen as new; a log in memory comes back from the neighbours.
    let since_us = if config.store == StoreKind::Memory { config.wall.now_us() } else { 0 };
    let (name, max_message) = (config.name, config.max_message);
    let (open, doors_closed) = (Mutex::default(), OnceLock::new());
    let ways_in = config.doors.len().saturating_add(config.control.iter().len());
    let inner = Inner { driver, endpoint, local_addr, name, max_message, doors: open, ways_in, doors_closed, keeper };
    let node = NodeHandle(Arc::new(inner));
    doors.serve(&node, since_us, letters);
    Ok(node)
}

/// The engine with all that it has to know before the first link comes up.
fn make_driver(config: &NodeConfig, endpoint: &Endpoint, recovery: Recovery) -> Result<Arc<Driver>, StartError> {
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
    let driver = Driver::new(Parts { engine, peering, clock, checker, disk, incarnations, runtime });
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

/// Another life of this node may be just about to end: its address is tried for again for a while.
fn listening(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}

async fn bind(endpoint: &Endpoint, config: &NodeConfig) -> Result<Listener, StartError> {
    let deadline = after(BIND_PATIENCE);
    loop {
        match endpoint.bind(config.listen).await {
            Err(why) if why.kind() == std::io::ErrorKind::AddrInUse && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other.map_err(StartError::io("listen on", config.listen)),
        }
    }
}
