//! Networks, endpoints, and certificates that no CA of ours would issue.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::certificate::{NAME_SUFFIX, NETWORK_OID};
use rumormill_transport::endpoint::Opened;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{Endpoint, EndpointConfig, Identity, Listener, LocalCa, Trust};
use rumormill_wire::native::ALPN;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tempfile::TempDir;

/// Far beyond what anything here takes; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(86_400);

/// Any free port of 127.0.0.1.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits for a future.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}

/// A CA in a directory of its own.
pub struct Net {
    pub dir: TempDir,
    pub ca: LocalCa,
}

impl Net {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::init(&dir.path().join("home")).unwrap();
        Self { dir, ca }
    }

    pub fn trust(&self) -> Trust {
        Trust::from_ca(self.ca.certificate()).unwrap()
    }

    pub fn identity(&self, name: &str) -> Identity {
        self.ca.open_or_issue(name).unwrap()
    }

    pub fn ca_issuer(&self) -> Issuer<'static, KeyPair> {
        let pem = std::fs::read_to_string(self.ca.home().join("ca/ca.key")).unwrap();
        self.issuer(KeyPair::from_pem(&pem).unwrap())
    }

    /// An issuer of the CA's name with any key.
    pub fn issuer(&self, key: KeyPair) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let id = self.ca.network().to_string();
        params.distinguished_name.push(DnType::CommonName, format!("Rumormill {}", &id[..16]));
        Issuer::new(params, key)
    }

    /// Parameters as the CA would use them, to be changed.
    pub fn params(&self, name: &str) -> CertificateParams {
        let mut params = CertificateParams::new([format!("{name}{NAME_SUFFIX}")]).unwrap();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions = vec![network(&self.ca.network().0)];
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + DAY).into();
        params
    }

    /// A certificate of these parameters with the CA's signature, and its key.
    pub fn sign(&self, params: &CertificateParams) -> Forged {
        Forged::new(params, &self.ca_issuer(), KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    /// An endpoint of the node `name` with the usual limits.
    pub fn endpoint(&self, name: &str) -> Endpoint {
        self.limited(name, AdmissionLimits::default(), LinkLimits::default())
    }

    pub fn limited(&self, name: &str, admission: AdmissionLimits, link: LinkLimits) -> Endpoint {
        endpoint(self.identity(name), self.trust(), admission, link)
    }

    /// An endpoint that trusts this network, with any identity.
    pub fn intruder(&self, identity: Identity) -> Endpoint {
        endpoint(identity, self.trust(), AdmissionLimits::default(), LinkLimits::default())
    }
}

pub fn endpoint(identity: Identity, trust: Trust, admission: AdmissionLimits, link: LinkLimits) -> Endpoint {
    Endpoint::new(EndpointConfig { identity, trust, loopback_only: false, admission, link, post_quantum: false })
        .unwrap()
}

pub fn network(id: &[u8; 32]) -> CustomExtension {
    CustomExtension::from_oid_content(NETWORK_OID, id.to_vec())
}

/// A certificate that some key signed, in files.
pub struct Forged {
    dir: TempDir,
    pub der: CertificateDer<'static>,
}

impl Forged {
    pub fn new(params: &CertificateParams, issuer: &Issuer<'static, KeyPair>, key: KeyPair) -> Self {
        let certificate = params.signed_by(&key, issuer).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), certificate.pem()).unwrap();
        let path = dir.path().join("key.pem");
        std::fs::write(&path, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Self { dir, der: certificate.der().clone() }
    }

    pub fn identity(&self) -> Identity {
        Identity::load(&self.dir.path().join("cert.pem"), &self.dir.path().join("key.pem")).unwrap()
    }
}

/// Two endpoints and the two ends of a link between them: first the dialler's.
pub async fn link(dialler: &Endpoint, acceptor: &Endpoint) -> (Opened, Opened, Listener) {
    let mut listener = acceptor.bind(anywhere()).await.unwrap();
    let there = soon("the dial", dialler.dial(listener.local_addr(), rumormill_transport::Expect::Any)).await.unwrap();
    let here = soon("the accept", listener.accept()).await.unwrap();
    (there, here, listener)
}

/// One counter.
pub fn count(endpoint: &Endpoint, name: &str) -> u64 {
    endpoint.metrics().named().iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n)
}

/// The refusals that were counted.
pub fn refusals(endpoint: &Endpoint) -> Vec<(String, u64)> {
    endpoint.metrics().named().into_iter().filter(|(name, _)| name.starts_with("refused_")).collect()
}

/// Waits for exactly one refusal, for this reason.
pub async fn refused_once(endpoint: &Endpoint, reason: &str) {
    until("a refusal", || !refusals(endpoint).is_empty()).await;
    assert_eq!(refusals(endpoint), [(format!("refused_{reason}"), 1)]);
    assert_eq!(count(endpoint, "links_made"), 0);
}

/// Takes any server: what an attacker would do.
#[derive(Debug)]
pub struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Certificate and key files as rustls wants them.
pub fn tls_files(dir: &Path) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap();
    (vec![certificate], PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap())
}

/// Where the CA of a network keeps the files of a node that it issued.
pub fn issued_dir(net: &Net, name: &str) -> PathBuf {
    drop(net.identity(name));
    net.ca.home().join("nodes").join(name)
}

/// A plain rustls client with everything that our own does not use switched on; no certificate if there is no directory.
pub fn raw_client(identity: Option<&Path>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match identity {
        Some(dir) => {
            let (chain, key) = tls_files(dir);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = true;
    config
}

/// A name for SNI that nobody checks.
pub fn some_name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}
