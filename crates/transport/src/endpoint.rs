//! Our end of all links, and dialling. Listening is in `accept`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rumormill_limits::Clock;
use rumormill_wire::NetworkId;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::admission::{Admission, AdmissionLimits};
use crate::identity::Identity;
use crate::link::{LinkLimits, open};
use crate::metrics::Metrics;
use crate::rates::Limits;
use crate::refusal::Refusal;
use crate::revocation::{InForce, Revocations};
use crate::stream::{Counted, Stream};
use crate::tcp::set_up;
use crate::tls::{self, Verifier};
use crate::trust::{Trust, provider};

pub use crate::link::Opened;
pub use crate::tls::Expect;

/// What an endpoint is made with.
#[derive(Debug)]
pub struct EndpointConfig {
    /// Certificate and key that it shows; can be renewed later.
    pub identity: Identity,
    /// Whose certificates are taken; for good.
    pub trust: Trust,
    /// The certificates come from a CA that nobody asked for: it serves loopback only.
    pub loopback_only: bool,
    /// Bounds before TLS.
    pub admission: AdmissionLimits,
    /// Bounds on a link.
    pub link: LinkLimits,
    /// Links without a post-quantum key exchange are refused.
    pub post_quantum: bool,
}

/// Why a dialled address gave no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// The address that was dialled.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No TLS. Nobody has proven who he is before the handshake is done.
    #[error("{}: {reason}", whence(*addr, *alert))]
    Refused {
        /// The address that was dialled.
        addr: SocketAddr,
        /// Why there was no link: by our check, or by theirs as far as TLS says it.
        reason: Refusal,
        /// Whoever is there said so with a TLS alert. A member that does not take our certificate says so after the handshake,
        /// over the link; anybody who sits at the address can say it before.
        alert: bool,
    },
    /// An automatic CA is for one machine.
    #[error(
        "{0} is not on this machine, and the automatic CA serves loopback only; make one with `rumormill certs init`"
    )]
    LoopbackOnly(SocketAddr),
}

fn whence(addr: SocketAddr, alert: bool) -> String {
    if alert { format!("something at {addr} (unproven) answered with a TLS alert") } else { addr.to_string() }
}

fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}

pub(crate) struct Credentials {
    pub(crate) identity: Arc<Identity>,
    pub(crate) acceptor: TlsAcceptor,
}

pub(crate) struct Shared {
    trust: Trust,
    loopback_only: bool,
    credentials: RwLock<Arc<Credentials>>,
    revoked: InForce,
    post_quantum: bool,
    admission: Mutex<Admission>,
    /// The time of admission control.
    pub(crate) clock: Clock,
    pub(crate) deadline: Duration,
    pub(crate) descriptors: i32,
    limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
}

/// Our end of all links. Clones share everything.
#[derive(Clone)]
pub struct Endpoint(pub(crate) Arc<Shared>);

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("node", &self.identity().node()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint with these credentials.
    ///
    /// # Errors
    /// rustls does not take the key or certificate.
    pub fn new(config: EndpointConfig) -> Result<Self, rustls::Error> {
        let (revoked, post_quantum) = (InForce::default(), config.post_quantum);
        let credentials = credentials(config.identity, &config.trust, &revoked, post_quantum)?;
        let metrics = Arc::new(Metrics::default());
        Ok(Self(Arc::new(Shared {
            trust: config.trust,
            loopback_only: config.loopback_only,
            credentials: RwLock::new(Arc::new(credentials)),
            revoked,
            post_quantum,
            admission: Mutex::new(Admission::new(config.admission)),
            clock: Clock::start(),
            deadline: config.admission.deadline,
            descriptors: config.admission.descriptors,
            limits: Limits::new(config.link, Arc::clone(&metrics)),
            metrics,
        })))
    }

    pub(crate) fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.0.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn admission<T>(&self, act: impl FnOnce(&mut Admission) -> T) -> T {
        act(&mut self.0.admission.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The certificate and key that links are opened with from now on; a renewal changes them.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.current().identity)
    }

    /// The network that both ends of all links are of.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.0.trust.network()
    }

    /// The CA or the pins by which certificates of others are judged.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.0.trust
    }

    /// What was counted since the endpoint was made.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Handshakes of others that are in flight now; those that we dialled are not counted.
    #[must_use]
    pub fn handshakes(&self) -> usize {
        self.admission(|admission| admission.in_flight())
    }

    /// New handshakes use this certificate; open links live on.
    ///
    /// # Errors
    /// rustls does not take it; the old one stays.
    pub fn reload(&self, identity: Identity) -> Result<(), rustls::Error> {
        let fresh = Arc::new(credentials(identity, &self.0.trust, &self.0.revoked, self.0.post_quantum)?);
        *self.0.credentials.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Handshakes refuse these nodes from now on. Dropping their open links is the caller's.
    /// An older list than the one in force changes nothing.
    pub fn set_revoked(&self, list: Revocations) {
        self.0.revoked.set(Arc::new(list));
    }

    /// The revocation list in force, to be shared.
    #[must_use]
    pub fn revocations(&self) -> &InForce {
        &self.0.revoked
    }

    /// The addresses of known members, which have handshake slots of their own.
    pub fn set_known_members(&self, members: impl IntoIterator<Item = IpAddr>) {
        self.admission(|admission| admission.set_members(members));
    }

    /// Those of them where neighbours are that the owner named: their handshakes make room last.
    pub fn set_neighbours(&self, neighbours: impl IntoIterator<Item = IpAddr>) {
        self.admission(|admission| admission.set_neighbours(neighbours));
    }

    /// How many addresses of known members have slots of their own.
    #[must_use]
    pub fn known_members(&self) -> usize {
        self.admission(|admission| admission.known_members())
    }

    pub(crate) fn check_scope(&self, addr: SocketAddr) -> Result<(), DialError> {
        let beyond = self.0.loopback_only && !addr.ip().to_canonical().is_loopback();
        if beyond { Err(DialError::LoopbackOnly(addr)) } else { Ok(()) }
    }

    /// Connects and authenticates, within the handshake deadline. The other side's own check of us ends a little later:
    /// its refusal shows as the first read ending.
    ///
    /// # Errors
    /// [`DialError`] with the reason.
    pub async fn dial(&self, addr: SocketAddr, expect: Expect) -> Result<Opened, DialError> {
        self.dial_from(None, addr, expect).await
    }

    /// [`Endpoint::dial`] from an address of ours: for machines with several, of which the other side knows one.
    ///
    /// # Errors
    /// [`DialError`] with the reason.
    pub async fn dial_from(
        &self,
        source: Option<IpAddr>,
        addr: SocketAddr,
        expect: Expect,
    ) -> Result<Opened, DialError> {
        self.check_scope(addr)?;
        let refused = |reason| DialError::Refused { addr, reason, alert: false };
        let ours = self.identity();
        let connect = async {
            let tcp = connect(source, addr).await.map_err(|source| DialError::Connect { addr, source })?;
            set_up(&tcp);
            let verifier = Arc::new(Verifier {
                trust: self.0.trust.clone(),
                revoked: self.0.revoked.clone(),
                expect,
                provider: provider(),
            });
            let config =
                tls::client(&ours, verifier, self.0.post_quantum).map_err(|why| refused(Refusal::of_tls(&why)))?;
            let name = ServerName::IpAddress(addr.ip().into());
            let stream = TlsConnector::from(Arc::new(config)).connect(name, Counted::new(tcp)).await;
            stream.map_err(|why| DialError::Refused { addr, reason: Refusal::of_io(&why), alert: is_alert(&why) })
        };
        let stream = match timeout(self.0.deadline, connect).await {
            Ok(result) => result,
            Err(_) => Err(refused(Refusal::Timeout)),
        };
        let opened = stream.and_then(|stream| self.opened(Stream::Client(stream), addr, &ours).map_err(refused));
        if let Err(DialError::Refused { reason, .. }) = &opened {
            self.0.metrics.refuse(*reason);
        }
        opened
    }

    pub(crate) fn opened(&self, stream: Stream, addr: SocketAddr, ours: &Identity) -> Result<Opened, Refusal> {
        let mut opened = open(stream, addr, &self.0.trust, &self.0.limits)?;
        opened.ours_until = ours.valid().1;
        // The list may have changed while the handshake ran.
        if self.0.revoked.revokes(&opened.peer.node()) {
            return Err(Refusal::Revoked);
        }
        Metrics::add(&self.0.metrics.links, 1);
        Ok(opened)
    }
}

async fn connect(source: Option<IpAddr>, addr: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(addr).await };
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(addr).await
}

fn credentials(
    identity: Identity,
    trust: &Trust,
    revoked: &InForce,
    post_quantum: bool,
) -> Result<Credentials, rustls::Error> {
    let verifier =
        Verifier { trust: trust.clone(), revoked: revoked.clone(), expect: Expect::Any, provider: provider() };
    let config = tls::server(&identity, Arc::new(verifier), post_quantum)?;
    Ok(Credentials { identity: Arc::new(identity), acceptor: TlsAcceptor::from(Arc::new(config)) })
}
