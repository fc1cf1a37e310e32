//! Ed25519 keys as files: PKCS#8 in version 1 (RFC 8410, section 7), which all programs read. The libraries here write version
//! 2, with the public key in it, which OpenSSL 3.0 and Python's `ssl` refuse.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{Error, KeyPair, PKCS_ED25519};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// All before the 32 bytes of the key: version 0, the algorithm, an octet string in an octet string.
const HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A new key.
pub(crate) fn generate() -> Result<KeyPair, Error> {
    as_version_1(&KeyPair::generate_for(&PKCS_ED25519)?)
}

/// The same key in version 1.
pub(crate) fn as_version_1(key: &KeyPair) -> Result<KeyPair, Error> {
    let pair =
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.serialized_der()).map_err(|_| Error::CouldNotParseKeyPair)?;
    let seed = pair.seed().map_err(|_| Error::CouldNotParseKeyPair)?;
    let seed = seed.as_be_bytes().map_err(|_| Error::CouldNotParseKeyPair)?;
    let der = [&HEAD, seed.as_ref()].concat();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
}

/// The key of a file, PEM.
pub(crate) fn key(pem: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_in_version_1_and_stays_the_same_key() {
        let made = generate().unwrap();
        assert_eq!((made.serialized_der().len(), &made.serialized_der()[..5]), (48, &[0x30, 0x2e, 2, 1, 0][..]));
        let old = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let new = as_version_1(&old).unwrap();
        assert_ne!(old.serialized_der(), new.serialized_der(), "the library's own form is another");
        assert_eq!(old.public_key_raw(), new.public_key_raw());
        assert_eq!(KeyPair::from_pem(&new.serialize_pem()).unwrap().public_key_raw(), old.public_key_raw());
    }
}
