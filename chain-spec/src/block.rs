//! Blocks: a signed header and the transactions that its root commits to.

use bincode::{Decode, Encode};

use crate::codec::{self, Canonical};
use crate::hash::Hash256;
use crate::header::{CheckedHeader, SIGNED_HEADER_LEN, SignedHeader};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use crate::merkle;
use crate::rules::BlockError;
use crate::spec::Network;
use crate::transaction::{CheckedTransaction, Sender, Transaction};

/// A block as it travels; unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// Header and miner's signature.
    pub header: SignedHeader,
    /// Transactions; the admins' stand first.
    pub transactions: Vec<Transaction>,
}

impl Canonical for Block {
    const MAX: usize = SIGNED_HEADER_LEN + 8 + BLOCK_BYTES_MAX;
}

impl Block {
    /// The rules that need no other block: H2 to H7, then B2 to B6 of SPEC.md.
    pub fn check(self, network: &Network) -> Result<CheckedBlock, BlockError> {
        let header = self.header.check(network)?;
        check_transactions(header, self.transactions, network)
    }
}

impl Block {
    /// A block that was checked before it was stored under `hash`: signatures and work are not checked
    /// again, only that header and transactions belong together and to the hash.
    pub fn check_stored(self, hash: &Hash256) -> Result<CheckedBlock, BlockError> {
        let header = self.header.check_stored(hash)?;
        let transactions = self.transactions.into_iter().map(Transaction::assume_checked).collect();
        CheckedBlock::assemble(header, transactions)
    }
}

/// B2 to B6 for a header that was checked before.
pub fn check_transactions(
    header: CheckedHeader,
    transactions: Vec<Transaction>,
    network: &Network,
) -> Result<CheckedBlock, BlockError> {
    let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
    check_root(&header, &txids)?;
    check_size(transactions.iter().map(|transaction| codec::encode(transaction).len()).sum())?;
    check_order(transactions.iter().map(|transaction| transaction.body.sender))?;
    let check = |(index, transaction): (usize, Transaction)| {
        let checked = transaction.check(&network.chain_id);
        checked.map_err(|error| BlockError::Transaction { index, error })
    };
    let transactions = transactions.into_iter().enumerate().map(check).collect::<Result<_, _>>()?;
    Ok(CheckedBlock { header, transactions })
}

fn check_root(header: &CheckedHeader, txids: &[Hash256]) -> Result<(), BlockError> {
    let (found, expected) = (txids.len(), header.header().tx_count);
    if found != expected as usize || found > BLOCK_TXS_MAX {
        return Err(BlockError::TxCount { found, expected });
    }
    let (found, expected) = (merkle::root(txids), header.header().tx_root);
    if found == expected { Ok(()) } else { Err(BlockError::TxRoot { found, expected }) }
}

fn check_size(bytes: usize) -> Result<(), BlockError> {
    if bytes > BLOCK_BYTES_MAX { Err(BlockError::TooLarge { bytes }) } else { Ok(()) }
}

fn check_order(senders: impl Iterator<Item = Sender>) -> Result<(), BlockError> {
    let mut others = false;
    for (index, sender) in senders.enumerate() {
        match sender {
            Sender::Admins if others => return Err(BlockError::AdminLate { index }),
            Sender::Admins => {}
            Sender::Key(_) => others = true,
        }
    }
    Ok(())
}

/// A block that meets every rule that needs no other block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBlock {
    header: CheckedHeader,
    transactions: Vec<CheckedTransaction>,
}

impl CheckedBlock {
    /// A block from parts that were each checked before: B2 to B5.
    pub fn assemble(
        header: CheckedHeader,
        transactions: Vec<CheckedTransaction>,
    ) -> Result<Self, BlockError> {
        check_root(&header, &transactions.iter().map(CheckedTransaction::txid).collect::<Vec<_>>())?;
        check_size(transactions.iter().map(CheckedTransaction::size).sum())?;
        check_order(transactions.iter().map(|transaction| transaction.body().sender))?;
        Ok(Self { header, transactions })
    }

    /// Its header.
    pub fn header(&self) -> &CheckedHeader {
        &self.header
    }

    /// Its hash.
    pub fn hash(&self) -> Hash256 {
        self.header.hash()
    }

    /// Its transactions.
    pub fn transactions(&self) -> &[CheckedTransaction] {
        &self.transactions
    }

    /// The block as it travels.
    pub fn to_block(&self) -> Block {
        Block {
            header: self.header.signed().clone(),
            transactions: self.transactions.iter().map(|transaction| transaction.get().clone()).collect(),
        }
    }
}
