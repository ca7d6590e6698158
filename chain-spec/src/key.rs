//! Ed25519 keys and signatures, and what exactly is signed.
//!
//! A signature covers `purpose ++ 0x00 ++ chain_id ++ body` (SPEC.md, "Signing preimages"), so that
//! no signature can be moved to another purpose or network. Signatures are checked one by one with
//! the strict equation: batch verification follows other rules on crafted input.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use ed25519_dalek::{Signer, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use ed25519_dalek::SigningKey;

use crate::hash::{Hash256, hex_newtype, sha256};

/// An Ed25519 public key as its 32 bytes; not known to be a valid point until [`PublicKey::check`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature as its 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

hex_newtype!(PublicKey, 32);
hex_newtype!(Signature, 64);

/// What a signature is for; the first part of its preimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An approval of a transaction.
    Transaction,
    /// A miner's signature over a block hash.
    Block,
    /// A device's proof that it holds the key being enrolled.
    Possession,
    /// A record (the preimage is COSE's; this names its external data).
    Record,
    /// A node's promise to include a transaction.
    Promise,
}

impl Purpose {
    /// The ASCII tag, without its zero byte.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Transaction => "dronechain/tx/1",
            Self::Block => "dronechain/block/1",
            Self::Possession => "dronechain/possession/1",
            Self::Record => "dronechain/record/1",
            Self::Promise => "dronechain/promise/1",
        }
    }

    /// `tag ++ 0x00 ++ chain_id ++ body`.
    pub fn preimage(self, chain_id: &Hash256, body: &[u8]) -> Vec<u8> {
        [self.tag().as_bytes(), &[0], &chain_id.0, body].concat()
    }
}

/// Why a key or a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve.
    #[error("key {0} is not a point of the curve")]
    NotAPoint(PublicKey),
    /// The key has small order: any message would verify.
    #[error("key {0} is weak")]
    Weak(PublicKey),
    /// The strict equation does not hold.
    #[error("the signature does not verify under key {0}")]
    BadSignature(PublicKey),
}

impl PublicKey {
    /// The public half of `key`.
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }

    /// `SHA-256(key)`: the pseudonym under which a device is known.
    pub fn id(&self) -> Hash256 {
        sha256(&[&self.0])
    }

    /// Refuses bytes that are no point, and points of small order.
    pub fn check(&self) -> Result<(), KeyError> {
        let point = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::NotAPoint(*self))?;
        if point.is_weak() { Err(KeyError::Weak(*self)) } else { Ok(()) }
    }

    /// Verifies `signature` over the preimage of `body` for `purpose` on the network `chain_id`.
    pub fn verify(
        &self,
        purpose: Purpose,
        chain_id: &Hash256,
        body: &[u8],
        signature: &Signature,
    ) -> Result<(), KeyError> {
        self.verify_raw(&purpose.preimage(chain_id, body), signature)
    }

    /// Verifies `signature` over `message` as it stands, for formats that bring their own preimage.
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        self.point()?.verify_raw(message, signature)
    }

    /// The key as a point of the curve.
    pub fn point(&self) -> Result<KeyPoint, KeyError> {
        let point = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::NotAPoint(*self))?;
        Ok(KeyPoint { key: *self, point })
    }
}

/// A public key as a point of the curve, for whoever verifies many signatures by one key: finding the point
/// takes a tenth of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPoint {
    key: PublicKey,
    point: VerifyingKey,
}

impl KeyPoint {
    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// As [`PublicKey::verify_raw`].
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.point.verify_strict(message, &signature).map_err(|_| KeyError::BadSignature(self.key))
    }
}

/// Signs `body` for `purpose` on the network `chain_id`.
pub fn sign(key: &SigningKey, purpose: Purpose, chain_id: &Hash256, body: &[u8]) -> Signature {
    Signature(key.sign(&purpose.preimage(chain_id, body)).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn signature_holds_for_its_purpose_and_network_only() {
        let (chain, other) = (sha256(&[b"a"]), sha256(&[b"b"]));
        let public = PublicKey::of(&key());
        let signature = sign(&key(), Purpose::Transaction, &chain, b"body");
        assert_eq!(public.verify(Purpose::Transaction, &chain, b"body", &signature), Ok(()));
        for (purpose, chain, body) in [
            (Purpose::Block, &chain, &b"body"[..]),
            (Purpose::Transaction, &other, b"body"),
            (Purpose::Transaction, &chain, b"bodz"),
        ] {
            assert_eq!(public.verify(purpose, chain, body, &signature), Err(KeyError::BadSignature(public)));
        }
    }

    #[test]
    fn weak_and_off_curve_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).check(), Err(KeyError::Weak(PublicKey(identity))));
        let off = PublicKey([2; 32]);
        assert_eq!(off.check(), Err(KeyError::NotAPoint(off)));
        assert_eq!(PublicKey::of(&key()).check(), Ok(()));
    }
}
