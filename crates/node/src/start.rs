//! From a configuration to a running node.

mod credentials;
mod limits;
mod make_driver;

use std::net::TcpListener;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rumormill_transport::endpoint::EndpointConfig;
use rumormill_transport::{Endpoint, Listener};
use rumormill_wire::{Incarnation, NodeId, Origin};

use crate::clock::after;
use crate::config::{ConfigError, IdentitySource, NodeConfig, StoreKind};
use crate::driver::Driver;
use crate::handle::{Inner, NodeHandle};
use crate::letters::LetterStore;
use crate::linking::greet::Greeting;
use crate::linking::{Linker, accept, dial};
use crate::recovery::Recovery;
use crate::start_error::StartError;
use crate::{descriptors, doors, keeper, proofs, reload, rounds};
use limits::{admission_limits, link_limits};
use make_driver::make_driver;

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
    let mut recovery = open_store(&config, &endpoint, home.as_deref(), me).await?;
    // The store's lock on the directory is ours by now.
    let letters = if doors.need_letters() { Some(open_letters(&config, &endpoint, me.node).await?) } else { None };
    let incarnation = recovery.recovered.me.incarnation;
    let keeper = recovery.keeper.clone();
    let useless = core::mem::take(&mut recovery.useless_proofs);
    let driver = make_driver(&config, &endpoint, recovery)?;
    reload::at_start(&driver, home.as_deref()).await;
    tokio::spawn(proofs::drop_useless(Arc::clone(&driver), useless));
    spawn_links(&config, &driver, &endpoint, listener);
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

async fn open_store(
    config: &NodeConfig,
    endpoint: &Endpoint,
    home: Option<&Path>,
    me: Origin,
) -> Result<Recovery, StartError> {
    // Files that were given are not ours to write beside.
    let ours = matches!(config.identity, IdentitySource::LocalCa { .. });
    let (config, home, network) = (config.clone(), home.filter(|_| ours).map(Path::to_owned), endpoint.network());
    blocking(move || Recovery::open(&config, home.as_deref(), me, network)).await
}

async fn open_letters(config: &NodeConfig, endpoint: &Endpoint, me: NodeId) -> Result<LetterStore, StartError> {
    let (state, network, wall) = (config.state.clone(), endpoint.network(), config.wall.clone());
    blocking(move || LetterStore::open(state.as_deref(), &network, me, wall)).await
}

/// Begins to take and make links, and what goes on beside them by the clock.
fn spawn_links(config: &NodeConfig, driver: &Arc<Driver>, endpoint: &Endpoint, listener: Listener) {
    let greeting = Greeting { network: endpoint.network(), name: config.name.clone() };
    let linker = Linker { driver: Arc::clone(driver), endpoint: endpoint.clone(), greeting };
    let known: Vec<_> = config.neighbours.iter().map(|neighbour| neighbour.addr.ip()).collect();
    endpoint.set_neighbours(known.iter().copied());
    endpoint.set_known_members(known.iter().copied());
    tokio::spawn(accept::accept(linker.clone(), listener));
    tokio::spawn(dial::keep_linked(linker));
    tokio::spawn({
        let driver = Arc::clone(driver);
        async move { driver.run_timer().await }
    });
    tokio::spawn(rounds::run(Arc::clone(driver), endpoint.clone(), config.ping, known));
    tokio::spawn(Arc::clone(driver).run_due());
}

fn listening(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}

/// Another life of this node may be just about to end: its address is tried for again for a while.
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
