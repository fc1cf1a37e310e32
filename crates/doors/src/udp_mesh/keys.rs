//! Signatures of the extended form. A key lives as long as its process.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::{CONTEXT, Extended, KEY_LEN, SIGNATURE_LEN, signed_part};

/// A key and the last time it signed.
#[derive(Debug)]
pub(super) struct Keys {
    pair: Ed25519KeyPair,
    public: [u8; KEY_LEN],
    last: u64,
}

impl Keys {
    /// A new key; nobody else has it.
    ///
    /// # Errors
    /// None could be made.
    pub(super) fn generate() -> std::io::Result<Self> {
        let none = |_| std::io::Error::other("no key could be made");
        let pair = Ed25519KeyPair::generate().map_err(none)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| std::io::Error::other("a key of odd length"))?;
        Ok(Self { pair, public, last: 0 })
    }

    pub(super) const fn public(&self) -> [u8; KEY_LEN] {
        self.public
    }

    /// Microseconds since the Unix epoch, and never twice the same.
    pub(super) fn time(&mut self) -> u64 {
        self.last = unix_micros().max(self.last.saturating_add(1));
        self.last
    }

    /// Encodes and signs. Nothing comes back for what has no form.
    pub(super) fn signed(&self, extended: Extended<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if Datagram::Extended(extended).encode(&mut out).is_err() {
            return Vec::new();
        }
        let signature = self.pair.sign(&context(&out));
        let start = signed_part(&out).len();
        out.truncate(start);
        out.extend_from_slice(signature.as_ref());
        out
    }
}

fn context(datagram: &[u8]) -> Vec<u8> {
    [CONTEXT, signed_part(datagram)].concat()
}

/// Whether a datagram bears the signature of a key.
pub(super) fn holds(key: &[u8; KEY_LEN], datagram: &[u8]) -> bool {
    let signature = datagram.get(datagram.len().saturating_sub(SIGNATURE_LEN)..).unwrap_or_default();
    UnparsedPublicKey::new(&ED25519, key).verify(&context(datagram), signature).is_ok()
}

/// Bytes that nobody else knows.
pub(super) fn secret() -> std::io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(secret)
}

/// Microseconds since the Unix epoch.
pub(super) fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// In place of a signature that is still to be made.
pub(super) const UNSIGNED: [u8; SIGNATURE_LEN] = [0; SIGNATURE_LEN];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_another_key_does_not_hold() {
        let (mut keys, other) = (Keys::generate().unwrap(), Keys::generate().unwrap());
        let time = keys.time();
        assert!(keys.time() > time);
        let text = keys.signed(Extended::Text { time, text: "hello", signature: UNSIGNED });
        assert!(holds(&keys.public(), &text) && !holds(&other.public(), &text) && !holds(&keys.public(), &[]));
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(!holds(&keys.public(), &changed), "byte {at}");
        }
    }
}
