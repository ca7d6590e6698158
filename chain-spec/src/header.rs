//! The 168-byte header, the miner's signature beside it, and the rules that a header must meet.
//!
//! Own fixed layout, apart from the codec: these bytes are hashed by miners and by public proof
//! tools. `block hash = SHA-256(SHA-256(header))`. Stateless rules give a [`CheckedHeader`]; rules
//! that need the chain before it take an [`Ancestry`], so that a node and a light client apply the
//! same code.

use bincode::{Decode, Encode};

use crate::difficulty::next_bits;
use crate::hash::{Hash256, sha256d};
use crate::key::{PublicKey, Purpose, Signature, SigningKey, sign};
use crate::limits::{BLOCK_TXS_MAX, FUTURE_BLOCK_TIMES, FUTURE_MIN_MS};
use crate::rules::HeaderError;
use crate::spec::Network;
use crate::target::{Bits, BitsError, Target};

/// Bytes of a header.
pub const HEADER_LEN: usize = 168;
/// Bytes of a header with its miner's signature.
pub const SIGNED_HEADER_LEN: usize = HEADER_LEN + 64;
/// Offset of the root over the transactions.
pub const TX_ROOT_AT: usize = 44;
/// Offset of the nonce: the last 8 bytes, in the last block of the inner SHA-256.
pub const NONCE_AT: usize = HEADER_LEN - 8;
/// The only version.
pub const VERSION: u32 = 1;

/// A block header; unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Blocks before this one.
    pub height: u64,
    /// Hash of the block before.
    pub parent: Hash256,
    /// Root over the txids; 32 zero bytes without transactions.
    pub tx_root: Hash256,
    /// Hash of history, nodes and accounts after this block's transactions.
    pub commitments: Hash256,
    /// Number of transactions.
    pub tx_count: u32,
    /// The miner's clock, ms since 1970 UTC.
    pub time_ms: u64,
    /// The target, compact.
    pub bits: Bits,
    /// First 4 bytes of the chain spec's hash.
    pub network: [u8; 4],
    /// Who made the block.
    pub miner: PublicKey,
    /// What the work was spent on.
    pub nonce: u64,
}

impl Header {
    /// The 168 bytes: fields in order of declaration, integers little-endian.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.version.to_le_bytes());
        put(&self.height.to_le_bytes());
        put(&self.parent.0);
        put(&self.tx_root.0);
        put(&self.commitments.0);
        put(&self.tx_count.to_le_bytes());
        put(&self.time_ms.to_le_bytes());
        put(&self.bits.0.to_le_bytes());
        put(&self.network);
        put(&self.miner.0);
        put(&self.nonce.to_le_bytes());
        bytes
    }

    /// Reads the 168 bytes; every value of every field is representable.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut reader = Reader { bytes, at: 0 };
        Self {
            version: u32::from_le_bytes(reader.take()),
            height: u64::from_le_bytes(reader.take()),
            parent: Hash256(reader.take()),
            tx_root: Hash256(reader.take()),
            commitments: Hash256(reader.take()),
            tx_count: u32::from_le_bytes(reader.take()),
            time_ms: u64::from_le_bytes(reader.take()),
            bits: Bits(u32::from_le_bytes(reader.take())),
            network: reader.take(),
            miner: PublicKey(reader.take()),
            nonce: u64::from_le_bytes(reader.take()),
        }
    }

    /// SHA-256 of SHA-256 of the 168 bytes.
    pub fn hash(&self) -> Hash256 {
        sha256d(&[&self.to_bytes()])
    }

    /// The header with the signature of `miner` over its hash.
    pub fn signed(self, miner: &SigningKey, chain_id: &Hash256) -> SignedHeader {
        let signature = sign(miner, Purpose::Block, chain_id, &self.hash().0);
        SignedHeader { header: self, signature }
    }
}

struct Reader<'a> {
    bytes: &'a [u8; HEADER_LEN],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let field = self.bytes[self.at..self.at + N].try_into().expect("the fields add up to HEADER_LEN");
        self.at += N;
        field
    }
}

/// A header with its miner's signature, which is outside the hash; unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The miner's signature over the block hash.
    pub signature: Signature,
}

impl SignedHeader {
    /// Header, then signature: 232 bytes.
    pub fn to_bytes(&self) -> [u8; SIGNED_HEADER_LEN] {
        let mut bytes = [0; SIGNED_HEADER_LEN];
        bytes[..HEADER_LEN].copy_from_slice(&self.header.to_bytes());
        bytes[HEADER_LEN..].copy_from_slice(&self.signature.0);
        bytes
    }

    /// Reads the 232 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; SIGNED_HEADER_LEN] =
            bytes.try_into().map_err(|_| HeaderError::Malformed(bytes.len()))?;
        let (header, signature) = bytes.split_at(HEADER_LEN);
        Ok(Self {
            header: Header::from_bytes(header.try_into().expect("split at HEADER_LEN")),
            signature: Signature(signature.try_into().expect("64 bytes remain")),
        })
    }

    /// The rules that need no other block, cheapest first: H2 to H7 of SPEC.md.
    pub fn check(self, network: &Network) -> Result<CheckedHeader, HeaderError> {
        let header = &self.header;
        if header.version != VERSION {
            return Err(HeaderError::Version(header.version));
        }
        if header.network != network.tag {
            return Err(HeaderError::Network { found: header.network, expected: network.tag });
        }
        let target = Target::from_bits(header.bits)?;
        if target > network.limit {
            return Err(HeaderError::Bits(BitsError::Overflow(header.bits)));
        }
        let found = header.tx_count;
        if (found == 0) != (header.tx_root == Hash256::ZERO) || found as usize > BLOCK_TXS_MAX {
            return Err(HeaderError::TxCount { found });
        }
        let hash = header.hash();
        if !target.is_met_by(&hash) {
            return Err(HeaderError::Work { hash, bits: header.bits });
        }
        header
            .miner
            .verify(Purpose::Block, &network.chain_id, &hash.0, &self.signature)
            .map_err(HeaderError::Signature)?;
        Ok(CheckedHeader { signed: self, hash, target })
    }

    /// A header that was checked before it was stored under `hash`; work and signature are not checked
    /// again.
    pub fn check_stored(self, hash: &Hash256) -> Result<CheckedHeader, HeaderError> {
        let found = self.header.hash();
        if found != *hash {
            return Err(HeaderError::Parent { found, expected: *hash });
        }
        let target = Target::from_bits(self.header.bits)?;
        Ok(CheckedHeader { signed: self, hash: found, target })
    }
}

impl Encode for SignedHeader {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.to_bytes().encode(encoder)
    }
}

impl<C> Decode<C> for SignedHeader {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let bytes = <[u8; SIGNED_HEADER_LEN]>::decode(decoder)?;
        Ok(Self::from_bytes(&bytes).expect("any bytes of this length are a header"))
    }
}

bincode::impl_borrow_decode!(SignedHeader);

/// A header that meets every rule that needs no other block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedHeader {
    signed: SignedHeader,
    hash: Hash256,
    target: Target,
}

impl CheckedHeader {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.signed.header
    }

    /// The header with its signature.
    pub fn signed(&self) -> &SignedHeader {
        &self.signed
    }

    /// Its hash.
    pub fn hash(&self) -> Hash256 {
        self.hash
    }

    /// Its target.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The rules that need the blocks before it but no state: H8 to H11 of SPEC.md.
    /// `block_time_ms` is T as it holds at this height.
    pub fn check_lineage(
        &self,
        network: &Network,
        block_time_ms: u64,
        parent: &Parent,
    ) -> Result<(), HeaderError> {
        let header = self.header();
        if header.parent != parent.hash {
            return Err(HeaderError::Parent { found: header.parent, expected: parent.hash });
        }
        if header.height != parent.height + 1 {
            return Err(HeaderError::Height { found: header.height, expected: parent.height + 1 });
        }
        let expected = parent.next_bits(network, block_time_ms);
        if header.bits != expected {
            return Err(HeaderError::Difficulty { found: header.bits, expected });
        }
        if header.time_ms <= parent.time_ms {
            return Err(HeaderError::Time { found: header.time_ms, parent: parent.time_ms });
        }
        Ok(())
    }

    /// H12: not too far ahead of `now_ms`, the own clock. `block_time_ms` is T at this height.
    pub fn check_future(&self, block_time_ms: u64, now_ms: u64) -> Result<(), HeaderError> {
        let latest = now_ms.saturating_add(future_ms(block_time_ms));
        let found = self.header().time_ms;
        if found > latest { Err(HeaderError::Future { found, latest }) } else { Ok(()) }
    }
}

/// What the next header's rules need to know of the block before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its hash.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
    /// Its target.
    pub target: Target,
    /// Time of its own parent; none for genesis.
    pub grandparent_time_ms: Option<u64>,
}

impl Parent {
    /// The bits of the block after this one: the spec's at height 1, then the difficulty rule.
    /// `block_time_ms` is T at that block's height.
    pub fn next_bits(&self, network: &Network, block_time_ms: u64) -> Bits {
        match self.grandparent_time_ms {
            None => self.target.to_bits(),
            Some(before) => {
                let solve_time_ms = self.time_ms.saturating_sub(before);
                next_bits(self.target, solve_time_ms, block_time_ms, network.limit)
            }
        }
    }
}

/// How far ahead of the own clock a block's time may be, in ms, at block time `block_time_ms`.
pub fn future_ms(block_time_ms: u64) -> u64 {
    (FUTURE_BLOCK_TIMES * block_time_ms).max(FUTURE_MIN_MS)
}
