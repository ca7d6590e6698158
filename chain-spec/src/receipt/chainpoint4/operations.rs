//! The operations: record, batch tree, transaction, block tree, header, in that order and no other.

use super::FormatError;
use super::document::Operation;
use crate::hash::Hash256;
use crate::limits::PROOF_OPERAND_MAX;
use crate::merkle::{Path, Step};

const SHA256: &str = "sha-256";
const SHA256_TWICE: &str = "sha-256-x2";

/// Everything that is put around a record's hash on its way to a block's.
pub(super) struct HashPath {
    /// To the batch root.
    pub(super) batch: Path,
    /// What stands before and behind the batch root in the transaction.
    pub(super) transaction: (Vec<u8>, Vec<u8>),
    /// From the txid to the block's root.
    pub(super) block: Path,
    /// What stands before and behind the block's root in the header.
    pub(super) header: (Vec<u8>, Vec<u8>),
}

/// Operands up to the hash over them.
struct Round<'a> {
    before: Vec<u8>,
    behind: Vec<u8>,
    hash: &'a str,
    /// Position of the hash.
    at: usize,
}

impl HashPath {
    /// The operations, in their one spelling: first what is put before, then what is put behind, in pieces
    /// of [`PROOF_OPERAND_MAX`] bytes but for the last.
    pub(super) fn write(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        write_steps(&self.batch, &mut operations);
        write_round(&self.transaction, SHA256, &mut operations);
        write_steps(&self.block, &mut operations);
        write_round(&self.header, SHA256_TWICE, &mut operations);
        operations
    }

    /// What the operations put around the record's hash. Whether they are in the one spelling shows when
    /// they are written again.
    pub(super) fn read(operations: &[Operation]) -> Result<Self, FormatError> {
        let mut rounds = rounds(operations)?;
        let header = rounds.pop().filter(Round::is_around).ok_or(FormatError::NoHeader)?;
        header.hashed_with(SHA256_TWICE)?;
        let around = rounds.iter().position(Round::is_around).ok_or(FormatError::NoTransaction)?;
        let mut rest = rounds.split_off(around).into_iter();
        let transaction = rest.next().ok_or(FormatError::NoTransaction)?;
        transaction.hashed_with(SHA256)?;
        Ok(Self {
            batch: rounds.iter().map(Round::step).collect::<Result<_, _>>()?,
            transaction: (transaction.before, transaction.behind),
            block: rest.map(|round| round.step()).collect::<Result<_, _>>()?,
            header: (header.before, header.behind),
        })
    }
}

fn write_steps(path: &Path, operations: &mut Vec<Operation>) {
    for step in path {
        operations.push(match step {
            Step::Left(hash) => Operation::L(hash.0.to_vec()),
            Step::Right(hash) => Operation::R(hash.0.to_vec()),
        });
        operations.push(Operation::Op(SHA256.into()));
    }
}

fn write_round((before, behind): &(Vec<u8>, Vec<u8>), hash: &str, operations: &mut Vec<Operation>) {
    // What is put before last stands first.
    operations.extend(before.rchunks(PROOF_OPERAND_MAX).map(|piece| Operation::L(piece.to_vec())));
    operations.extend(behind.chunks(PROOF_OPERAND_MAX).map(|piece| Operation::R(piece.to_vec())));
    operations.push(Operation::Op(hash.into()));
}

fn rounds(operations: &[Operation]) -> Result<Vec<Round<'_>>, FormatError> {
    let mut rounds = Vec::new();
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    for (at, operation) in operations.iter().enumerate() {
        match operation {
            Operation::L(piece) => before = [operand(piece, at)?, &before].concat(),
            Operation::R(piece) => behind.extend(operand(piece, at)?),
            Operation::Op(hash) => {
                let (before, behind) = (std::mem::take(&mut before), std::mem::take(&mut behind));
                rounds.push(Round { before, behind, hash, at });
            }
            Operation::Anchors(_) => return Err(FormatError::AnchorPlace),
        }
    }
    if before.is_empty() && behind.is_empty() { Ok(rounds) } else { Err(FormatError::Unhashed) }
}

fn operand(piece: &[u8], at: usize) -> Result<&[u8], FormatError> {
    if (1..=PROOF_OPERAND_MAX).contains(&piece.len()) {
        return Ok(piece);
    }
    Err(FormatError::OperandLength { at, found: piece.len() })
}

impl Round<'_> {
    fn is_around(&self) -> bool {
        !self.before.is_empty() && !self.behind.is_empty()
    }

    fn hashed_with(&self, hash: &str) -> Result<(), FormatError> {
        if self.hash == hash {
            return Ok(());
        }
        Err(FormatError::Hash { at: self.at, found: self.hash.into() })
    }

    /// The step of a tree that this is.
    fn step(&self) -> Result<Step, FormatError> {
        self.hashed_with(SHA256)?;
        let step = match (&self.before[..], &self.behind[..]) {
            (before, []) => before.try_into().ok().map(|hash| Step::Left(Hash256(hash))),
            ([], behind) => behind.try_into().ok().map(|hash| Step::Right(Hash256(hash))),
            _ => None,
        };
        step.ok_or(FormatError::Step { at: self.at })
    }
}
