//! A member whose TLS knows X25519 only, as programs of before the hybrid key exchange do.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rumormill_transport::{LocalCa, Refusal};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as lc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
};
use rustls::{SignatureScheme, version::TLS13};

/// The certificate and key that a side shows.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>);

impl Certificate {
    /// One of the network whose CA lies in `home`.
    pub fn issued(home: &Path, dir: &Path, name: &str) -> Self {
        LocalCa::open(home).unwrap().issue(name, Duration::from_secs(86_400), Some(dir)).unwrap();
        let chain = CertificateDer::pem_file_iter(dir.join("cert.pem")).unwrap().map(Result::unwrap).collect();
        Self(Arc::new((chain, PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap())))
    }
}

fn classical() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: vec![lc::kx_group::X25519], ..lc::default_provider() })
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"rumormill/1".to_vec()]
}

/// A client that offers X25519 alone.
pub fn client(Certificate(shown): &Certificate) -> ClientConnection {
    let config = ClientConfig::builder_with_provider(classical()).with_protocol_versions(&[&TLS13]).unwrap();
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = config.with_client_auth_cert(shown.0.clone(), shown.1.clone_key()).unwrap();
    config.alpn_protocols = alpn();
    ClientConnection::new(Arc::new(config), ServerName::try_from("node").unwrap()).unwrap()
}

/// A server that offers X25519 alone and asks for no certificate.
pub fn server(Certificate(shown): &Certificate) -> ServerConnection {
    let config = ServerConfig::builder_with_provider(classical()).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(shown.0.clone(), shown.1.clone_key()).unwrap();
    config.alpn_protocols = alpn();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// Shakes hands; the key exchange that was agreed on, or why there was none, in the words that a node would say.
pub fn shaken(tls: &mut Connection, mut tcp: TcpStream) -> Result<String, Refusal> {
    while tls.is_handshaking() {
        let done = tls.complete_io(&mut tcp);
        if let Err(why) = done {
            return Err(why.get_ref().and_then(|why| why.downcast_ref()).map_or(Refusal::Lost, Refusal::of_tls));
        }
    }
    Ok(tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())).unwrap_or_default())
}

/// Takes any server: it is the server that has to refuse.
#[derive(Debug)]
pub struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
