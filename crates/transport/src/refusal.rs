//! Why a connection became no link, in words that a log can be searched for.

use rustls::{AlertDescription, CertificateError, Error as TlsError, PeerIncompatible as Incompatible};

/// The reason. Its `Display` is what the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer sent no certificate.
    #[error("no certificate")]
    NoCertificate,
    /// Its certificate does not chain to our CA.
    #[error("certificate from another CA")]
    UnknownCa,
    /// Its certificate has expired.
    #[error("certificate expired")]
    Expired,
    /// Its certificate is not valid yet.
    #[error("certificate not valid yet")]
    NotYetValid,
    /// Its node id is on the revocation list.
    #[error("certificate revoked")]
    Revoked,
    /// It is not whom the dialler expects.
    #[error("wrong name: another node answers at this address")]
    WrongName,
    /// Its certificate carries another network id, or none.
    #[error("certificate of another network")]
    WrongNetwork,
    /// Its node id is not in the pin file.
    #[error("node id not in the pin file")]
    NotPinned,
    /// Its certificate is not of the form that this network issues.
    #[error("certificate of another form")]
    BadCertificate,
    /// It shows a certificate whose key it does not have.
    #[error("handshake not signed with the key of the certificate")]
    NoKey,
    /// It offers only TLS 1.2 or older.
    #[error("TLS version below 1.3")]
    TlsVersion,
    /// What it sent is not TLS.
    #[error("not TLS: plain text")]
    NotTls,
    /// It does not offer the protocol `rumormill/1`.
    #[error("no common application protocol")]
    Alpn,
    /// Its handshake was not done within the deadline.
    #[error("handshake deadline passed")]
    Timeout,
    /// It sent more before its handshake was done than one takes.
    #[error("handshake too long")]
    TooLong,
    /// Its link was not taken in time.
    #[error("too many links wait to be taken")]
    Overload,
    /// It is not on this machine, and the CA is the automatic one.
    #[error("the automatic CA serves loopback only")]
    Scope,
    /// The two sides have no key exchange in common; where post-quantum is required there is only one.
    #[error("no key exchange in common: one side may require X25519MLKEM768")]
    KeyExchange,
    /// The other side's clock is outside the dates of our certificate, or the other way round.
    #[error("the other side says that our certificate is not valid now: see its dates and both clocks")]
    OursNotValid,
    /// The other side has our node id on its revocation list.
    #[error("the other side says that our certificate is revoked")]
    OursRevoked,
    /// The other side refused us; our own log cannot know more.
    #[error("refused by the other side")]
    ByPeer,
    /// The connection broke before the handshake was done.
    #[error("connection lost during the handshake")]
    Lost,
    /// Another fault of the TLS stream.
    #[error("TLS protocol error")]
    Protocol,
}

impl Refusal {
    /// A short name for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::UnknownCa => "unknown_ca",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::WrongName => "wrong_name",
            Self::WrongNetwork => "wrong_network",
            Self::NotPinned => "not_pinned",
            Self::BadCertificate => "bad_certificate",
            Self::NoKey => "no_key",
            Self::TlsVersion => "tls_version",
            Self::NotTls => "not_tls",
            Self::Alpn => "alpn",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
            Self::Overload => "overload",
            Self::Scope => "scope",
            Self::KeyExchange => "key_exchange",
            Self::OursNotValid => "ours_not_valid",
            Self::OursRevoked => "ours_revoked",
            Self::ByPeer => "by_peer",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
        }
    }

    /// As the certificate error that a rustls verifier returns.
    pub(crate) fn into_tls(self) -> TlsError {
        TlsError::InvalidCertificate(match self {
            Self::Expired => CertificateError::Expired,
            Self::NotYetValid => CertificateError::NotValidYet,
            Self::UnknownCa => CertificateError::UnknownIssuer,
            Self::Revoked => CertificateError::Revoked,
            other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
        })
    }

    /// Reads a TLS error.
    #[must_use]
    pub fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::NoCertificatesPresented => Self::NoCertificate,
            TlsError::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            TlsError::PeerIncompatible(
                Incompatible::SupportedVersionsExtensionRequired
                | Incompatible::ServerDoesNotSupportTls12Or13
                | Incompatible::ServerTlsVersionIsDisabledByOurConfig
                | Incompatible::Tls12NotOffered
                | Incompatible::Tls12NotOfferedOrEnabled,
            )
            | TlsError::AlertReceived(AlertDescription::ProtocolVersion) => Self::TlsVersion,
            TlsError::NoApplicationProtocol | TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::Alpn
            }
            TlsError::PeerIncompatible(Incompatible::NoKxGroupsInCommon)
            | TlsError::AlertReceived(AlertDescription::HandshakeFailure) => Self::KeyExchange,
            TlsError::AlertReceived(AlertDescription::CertificateExpired) => Self::OursNotValid,
            TlsError::AlertReceived(AlertDescription::CertificateRevoked) => Self::OursRevoked,
            TlsError::AlertReceived(_) => Self::ByPeer,
            TlsError::InvalidMessage(_) => Self::NotTls,
            _ => Self::Protocol,
        }
    }

    pub(crate) fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownCa,
            CertificateError::Other(other) => other.0.downcast_ref::<Self>().copied().unwrap_or(Self::BadCertificate),
            _ => Self::BadCertificate,
        }
    }

    /// Reads the error of a handshake.
    #[must_use]
    pub fn of_io(error: &std::io::Error) -> Self {
        let Some(inner) = error.get_ref() else { return Self::Lost };
        let ours = || inner.downcast_ref::<Self>().copied();
        inner.downcast_ref::<TlsError>().map(Self::of_tls).or_else(ours).unwrap_or(Self::Lost)
    }
}
