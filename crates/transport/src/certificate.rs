//! Reading certificates: the key, the name, the network id, the dates.

use std::time::{Duration, SystemTime};

use rumormill_wire::{Digest, NetworkId, NodeId};
use x509_cert::Certificate;
use x509_cert::der::{Decode, oid::ObjectIdentifier};
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use crate::refusal::Refusal;

/// The extension that carries the network id: 32 bytes, not critical. Below the arc for UUIDs, which needs no registry; a
/// small number, for the parser takes none above 2^28. It means this in certificates of our CAs alone.
pub const NETWORK_OID: &[u64] = &[2, 25, 119_681_901];
const NETWORK: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.25.119681901");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What a node's name ends with in its certificate.
pub const NAME_SUFFIX: &str = ".rumormill.internal";
/// The longest name of a node, in bytes: a label of a DNS name (RFC 1035, 2.3.4), as which certificates carry it.
pub const MAX_NAME: usize = 63;

/// What a certificate says of itself. Not checked against anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The node's name; empty in a CA certificate.
    pub name: String,
    /// Its Ed25519 public key.
    pub node: NodeId,
    /// The network id, if it carries one.
    pub network: Option<NetworkId>,
    /// Before this it is not valid.
    pub not_before: SystemTime,
    /// After this it is not valid any more.
    pub not_after: SystemTime,
    /// Whether it is a CA.
    pub is_ca: bool,
}

/// Whether a text can be a node's name: small letters, digits and `-`, beginning and ending with a letter or digit, 1 to 63.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|c| inner(c) || c == '-')
        && name.starts_with(inner)
        && name.ends_with(inner)
}

fn octets(der: &[u8]) -> Option<[u8; 32]> {
    der.try_into().ok()
}

impl CertificateInfo {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`Refusal::BadCertificate`] if it is not X.509 with an Ed25519 key.
    pub fn read(der: &[u8]) -> Result<Self, Refusal> {
        let bad = Refusal::BadCertificate;
        let certificate = Certificate::from_der(der).map_err(|_| bad)?;
        let body = &certificate.tbs_certificate;
        let spki = &body.subject_public_key_info;
        if spki.algorithm.oid != ED25519 {
            return Err(bad);
        }
        let key = spki.subject_public_key.as_bytes().and_then(octets).ok_or(bad)?;
        let mut info = Self {
            name: String::new(),
            node: NodeId(key),
            network: None,
            not_before: time(body.validity.not_before.to_unix_duration()),
            not_after: time(body.validity.not_after.to_unix_duration()),
            is_ca: false,
        };
        for extension in body.extensions.iter().flatten() {
            if extension.extn_id == NETWORK {
                info.network = octets(extension.extn_value.as_bytes()).map(NetworkId);
            }
        }
        info.is_ca = body
            .get::<x509_cert::ext::pkix::BasicConstraints>()
            .map_err(|_| bad)?
            .is_some_and(|(_, constraints)| constraints.ca);
        if let Some((_, SubjectAltName(names))) = body.get().map_err(|_| bad)? {
            info.name = names.iter().find_map(node_name).unwrap_or_default();
        }
        Ok(info)
    }

    /// SHA-256 of the whole certificate, as other tools print it.
    #[must_use]
    pub fn fingerprint(der: &[u8]) -> Digest {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut out = Digest::ZERO;
        for (slot, byte) in out.0.iter_mut().zip(digest.as_ref()) {
            *slot = *byte;
        }
        out
    }
}

fn time(since_epoch: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn node_name(name: &GeneralName) -> Option<String> {
    let GeneralName::DnsName(dns) = name else { return None };
    let name = dns.as_str().strip_suffix(NAME_SUFFIX)?;
    is_name(name).then(|| name.to_owned())
}
