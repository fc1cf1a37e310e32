//! TLS 1.3 settings and the one verifier for both directions.

use std::sync::Arc;

use rumormill_wire::NodeId;
use rumormill_wire::native::ALPN;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::clock::TlsTime;
use crate::identity::Identity;
use crate::refusal::Refusal;
use crate::revocation::InForce;
use crate::trust::{Trust, handshake_provider};

/// Whom a dialler expects. It gets exactly that one, or no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Anybody of the network.
    Any,
    /// The node of this name.
    Name(String),
    /// The node of this id.
    Node(NodeId),
}

/// Trust, the revocations of the moment, and for a dialler whom it expects.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub trust: Trust,
    pub revoked: InForce,
    pub expect: Expect,
    pub provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let info = self.trust.check_link(certificate, now).map_err(Refusal::into_tls)?;
        let fits = match &self.expect {
            Expect::Any => true,
            Expect::Name(name) => *name == info.name,
            Expect::Node(node) => *node == info.node,
        };
        if !fits {
            return Err(Refusal::WrongName.into_tls());
        }
        if self.revoked.revokes(&info.node) { Err(Refusal::Revoked.into_tls()) } else { Ok(()) }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
            .map_err(|_| Refusal::NoKey.into_tls())
    }
}

fn no_tls12() -> Error {
    Refusal::TlsVersion.into_tls()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// No tickets, no resumption, no early data: every link is a full handshake.
pub(crate) fn server(identity: &Identity, verifier: Arc<Verifier>, post_quantum: bool) -> Result<ServerConfig, Error> {
    let (chain, key) = identity.tls();
    let mut config = ServerConfig::builder_with_details(handshake_provider(post_quantum), Arc::new(TlsTime))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

pub(crate) fn client(identity: &Identity, verifier: Arc<Verifier>, post_quantum: bool) -> Result<ClientConfig, Error> {
    let (chain, key) = identity.tls();
    let mut config = ClientConfig::builder_with_details(handshake_provider(post_quantum), Arc::new(TlsTime))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(config)
}
