//! Sealing letters so that their receiver alone opens them, and only as its author's (P-L2 to P-L5).

use std::io;
use std::path::Path;

use rumormill_doors::ServiceError;
use rumormill_wire::native::{KEY_ID_LEN, LetterKey, MAX_BODY_LEN, SealedLetter};
use rumormill_wire::{NetworkId, NodeId};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};

use crate::files::write_private;
use rumormill_limits::file::read_key;

/// The one suite that there is (P-L4).
pub(crate) const SUITE: u16 = 1;
const HPKE: &dyn Hpke = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305;
/// An X25519 key, public or private.
const KEY_LEN: usize = 32;
const INFO_CONTEXT: &[u8] = b"rumormill/1 letter\0";
/// What a letter's length is rounded up to, so that it says little of what is in it (P-L5).
const PAD: usize = 256;
const LENGTH_LEN: usize = 2;
/// The longest plaintext whose message is within the protocol's bound, with what goes with it.
const MAX_PADDED: usize = (MAX_BODY_LEN - (2 + KEY_ID_LEN + KEY_LEN + 16)) / PAD * PAD;
/// The longest letter, in bytes.
pub(crate) const MAX_CONTENTS: usize = MAX_PADDED - LENGTH_LEN;

/// Our keys, and what binds letters to us and to our network.
pub(crate) struct Seal {
    me: NodeId,
    info: Vec<u8>,
    public: HpkePublicKey,
    private: HpkePrivateKey,
}

impl Seal {
    /// With keys of its own, which end with it.
    pub(crate) fn fresh(network: &NetworkId, me: NodeId) -> io::Result<Self> {
        let (public, private) = HPKE.generate_key_pair().map_err(io::Error::other)?;
        Ok(Self { me, info: [INFO_CONTEXT, network.as_bytes()].concat(), public, private })
    }

    /// With the keys of a file, which is made if it is not there.
    pub(crate) fn open_or_make(path: &Path, network: &NetworkId, me: NodeId) -> io::Result<Self> {
        let fresh = Self::fresh(network, me)?;
        let bytes = match read_key(path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                write_private(path, &[fresh.private.secret_bytes(), &fresh.public.0].concat())?;
                return Ok(fresh);
            }
            Err(why) => return Err(why),
        };
        // Made anew it would leave letters that nobody opens any more: that is for people to decide.
        let bad = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not the two keys that it should be; put a copy of it back, or move it away: letters to the old key are then lost",
            )
        };
        let (private, public) = bytes.split_at_checked(KEY_LEN).filter(|(_, p)| p.len() == KEY_LEN).ok_or_else(bad)?;
        let (public, private) = (HpkePublicKey(public.to_vec()), HpkePrivateKey::from(private.to_vec()));
        let seal = Self { public, private, ..fresh };
        let own = seal.seal(&me, &seal.public.0, "").ok().and_then(|body| seal.open(&me, &body));
        own.map(|_| seal).ok_or_else(bad)
    }

    /// The key that letters to us are sealed to.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public.0
    }

    /// The body of the message that says so.
    pub(crate) fn key_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let _ = LetterKey { suite: SUITE, key: self.public() }.encode(&mut body);
        body
    }

    /// The body of a letter of ours.
    pub(crate) fn seal(&self, to: &NodeId, key: &[u8], contents: &str) -> Result<Vec<u8>, ServiceError> {
        let len = contents.len();
        let too_long = || ServiceError::Invalid(format!("a letter has at most {MAX_CONTENTS} bytes, this one {len}"));
        let plain = pad(contents).ok_or_else(too_long)?;
        let key = HpkePublicKey(key.to_vec());
        let failed = |why: &dyn std::fmt::Display| ServiceError::Failed(format!("the letter cannot be sealed: {why}"));
        let (enc, ciphertext) = HPKE.seal(&self.info, &aad(&self.me, to), &plain, &key).map_err(|why| failed(&why))?;
        let mut body = Vec::new();
        let letter = SealedLetter { key_id: key_id(&key.0), enc: &enc.0, ciphertext: &ciphertext };
        letter.encode(&mut body).map_err(|why| failed(&why))?;
        Ok(body)
    }

    /// What a letter says, if it is for us and this node wrote it.
    pub(crate) fn open(&self, author: &NodeId, body: &[u8]) -> Option<String> {
        let letter = SealedLetter::parse(body).ok()?;
        if letter.key_id != key_id(self.public()) {
            return None;
        }
        let (enc, aad) = (EncapsulatedSecret(letter.enc.to_vec()), aad(author, &self.me));
        let plain = HPKE.open(&enc, &self.info, &aad, letter.ciphertext, &self.private).ok()?;
        unpad(&plain).map(str::to_owned)
    }
}

/// The name of a key in letters (P-L4).
fn key_id(public: &[u8]) -> [u8; KEY_ID_LEN] {
    let mut id = [0; KEY_ID_LEN];
    id.iter_mut().zip(blake3::hash(public).as_bytes()).for_each(|(slot, byte)| *slot = *byte);
    id
}

/// Who writes to whom: a ciphertext that another copies does not open as theirs.
fn aad(author: &NodeId, receiver: &NodeId) -> Vec<u8> {
    [author.as_bytes().as_slice(), receiver.as_bytes()].concat()
}

fn pad(contents: &str) -> Option<Vec<u8>> {
    let length = u16::try_from(contents.len()).ok().filter(|_| contents.len() <= MAX_CONTENTS)?;
    let mut plain = length.to_be_bytes().to_vec();
    plain.extend_from_slice(contents.as_bytes());
    plain.resize(plain.len().next_multiple_of(PAD), 0);
    Some(plain)
}

fn unpad(plain: &[u8]) -> Option<&str> {
    let (length, rest) = plain.split_first_chunk::<LENGTH_LEN>()?;
    let (contents, zeros) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let whole = plain.len() == contents.len().saturating_add(LENGTH_LEN).next_multiple_of(PAD);
    let good = whole && zeros.iter().all(|byte| *byte == 0);
    std::str::from_utf8(contents).ok().filter(|_| good)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NET: NetworkId = NetworkId([1; 32]);
    const ALICE: NodeId = NodeId([2; 32]);
    const BOB: NodeId = NodeId([3; 32]);

    #[test]
    fn a_letter_opens_for_its_receiver_from_its_author_in_its_network_only() {
        let [alice, bob] = [ALICE, BOB].map(|me| Seal::fresh(&NET, me).unwrap());
        let body = alice.seal(&BOB, bob.public(), "héllo").unwrap();
        assert_eq!(bob.open(&ALICE, &body).as_deref(), Some("héllo"));
        assert_eq!(bob.open(&BOB, &body), None, "another has copied it");
        assert_eq!(alice.open(&ALICE, &body), None, "not even its author opens it");
        let moved = |network, me| Seal {
            me,
            info: [INFO_CONTEXT, &[network; 32]].concat(),
            public: bob.public.clone(),
            private: bob.private.secret_bytes().to_vec().into(),
        };
        assert_eq!(moved(1, BOB).open(&ALICE, &body).as_deref(), Some("héllo"));
        assert_eq!(moved(9, BOB).open(&ALICE, &body), None, "another network");
        assert_eq!(moved(1, ALICE).open(&ALICE, &body), None, "sealed for another node");
        for at in [0, 1, 9, 10, 41, 42, body.len() - 1] {
            let mut bad = body.clone();
            bad[at] ^= 1;
            assert_eq!(bob.open(&ALICE, &bad), None, "byte {at}");
        }
    }

    #[test]
    fn lengths_say_little_and_have_a_bound() {
        let seal = Seal::fresh(&NET, ALICE).unwrap();
        let len = |n: usize| seal.seal(&ALICE, seal.public(), &"x".repeat(n)).map(|body| body.len());
        assert_eq!(len(0), len(PAD - 2));
        assert_eq!(len(PAD - 1).unwrap() - len(0).unwrap(), PAD);
        assert!((MAX_BODY_LEN - PAD..=MAX_BODY_LEN).contains(&len(MAX_CONTENTS).unwrap()));
        assert!(len(MAX_CONTENTS + 1).unwrap_err().to_string().contains("at most"));
        assert!(seal.seal(&BOB, &[1, 2, 3], "x").is_err(), "no key");
        let mut plain = pad("hi").unwrap();
        assert_eq!(unpad(&plain), Some("hi"));
        plain[200] = 1;
        assert_eq!(unpad(&plain), None, "P-L5");
        assert_eq!(unpad(&[0; 2 * PAD]), None, "padded too far");
        assert_eq!((unpad(&[0xff; PAD]), unpad(&[0])), (None, None));
    }

    #[test]
    fn keys_stay_in_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letters.key");
        let first = Seal::open_or_make(&path, &NET, ALICE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let body = first.seal(&ALICE, first.public(), "kept").unwrap();
        let again = Seal::open_or_make(&path, &NET, ALICE).unwrap();
        assert_eq!(again.open(&ALICE, &body).as_deref(), Some("kept"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        for bad in [&bytes[..], &bytes[..63], b""] {
            fs::write(&path, bad).unwrap();
            assert!(Seal::open_or_make(&path, &NET, ALICE).is_err());
            assert_eq!(fs::read(&path).unwrap(), bad, "left as it is");
        }
    }
}
