//! Column by column: what can be told from a row and those that it names.

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::SignedHeader;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::state::Undo;
use dronechain_chain_spec::target::Target;
use dronechain_chain_spec::transaction::Transaction;

use super::Checker;
use crate::core::event::CheckedBody;
use crate::core::view::{Rival, Stage, StoredHeader, View as _, ViewError};
use crate::store::keys::{self, Column};
use crate::store::rows::{BodyRow, OutcomeList, ShownList, TransactionList};
use crate::store::{Counts, Store};

impl Checker<'_> {
    /// Each header under its hash, behind its parent with the work added; signed, unless the walk along the
    /// active chain checks that.
    pub(super) fn headers(&mut self) {
        let network = self.spec.network();
        self.walk(Column::Headers, |checker, key, value| {
            checker.report.counts.headers += 1;
            let (hash, stored) = header(key, value)?;
            let store = checker.store;
            let height = keys::height(stored.signed.header.height, &hash);
            if read(store.bytes(Column::Heights, &height))?.is_none() {
                checker.fault(Column::Heights, &height, "a header of that height is not told");
            }
            stage(store, &hash, &stored)?;
            if hash == network.chain_id {
                return Ok(());
            }
            lineage(store, &stored)?;
            let is_active = read(store.active(stored.signed.header.height))? == Some(hash);
            if is_active { Ok(()) } else { signed(stored.signed, &network) }
        });
        let headers = self.report.counts.headers;
        self.counted(Column::Heights, headers);
    }

    /// Each block's transactions against its header.
    pub(super) fn blocks(&mut self) {
        self.walk(Column::Blocks, |checker, key, value| {
            checker.report.counts.blocks += 1;
            block(checker.store, key, value)
        });
    }

    /// Each body under its root, and its leaves in their index.
    pub(super) fn bodies(&mut self) {
        // Where it cannot be read there is a fault of its own.
        let next = self.store.next_batch().unwrap_or(u64::MAX);
        let mut names = 0;
        self.walk(Column::Batches, |_, _, _| {
            names += 1;
            Ok(())
        });
        self.walk(Column::Bodies, |checker, key, value| {
            checker.report.counts.bodies += 1;
            let (number, body) = body(checker.store, key, value)?;
            checker.report.counts.leaves += body.leaves().len() as u64;
            if number >= next {
                return Err("its number is still to be given".into());
            }
            for (index, leaf) in (0_u32..).zip(body.leaves()) {
                let row = read(checker.store.bytes(Column::Leaves, &keys::leaf(leaf, number, index)))?;
                if row.as_deref() != Some(&[]) {
                    return Err(format!("leaf {leaf} is not in the index"));
                }
            }
            Ok(())
        });
        let Counts { bodies, leaves, .. } = self.report.counts;
        if names != bodies {
            self.fault(Column::Batches, &[], format!("{names} rows where there should be {bodies}"));
        }
        self.counted(Column::Leaves, leaves);
    }

    /// Each waiting transaction under its sender and sequence, and by its name.
    pub(super) fn pool(&mut self) {
        let chain_id = self.store.chain_id();
        self.walk(Column::Pool, |checker, key, value| {
            checker.report.counts.pool += 1;
            let transaction: Transaction = decoded(value)?;
            let (txid, body) = (transaction.txid(), &transaction.body);
            if key != keys::sequence(body.sender, body.sequence) {
                return Err("another sender's or sequence's transaction".into());
            }
            let name = read(checker.store.bytes(Column::PoolIds, &txid.0))?;
            if name.as_deref() != Some(key) {
                return Err(format!("its name {txid} is not in the index"));
            }
            transaction.check(&chain_id).map(drop).map_err(|error| error.to_string())
        });
        let waiting = self.report.counts.pool;
        self.counted(Column::PoolIds, waiting);
    }

    /// What is kept beside blocks and headers belongs to one that is here; the rest can be read.
    pub(super) fn beside(&mut self) {
        self.walk(Column::Undos, |checker, key, value| of_valid::<Undo>(checker.store, key, value));
        self.walk(Column::Outcomes, |checker, key, value| of_valid::<OutcomeList>(checker.store, key, value));
        self.walk(Column::Shown, |checker, key, value| of_header::<ShownList>(checker.store, key, value));
        self.walk(Column::Rosters, |checker, key, value| of_header::<Roster>(checker.store, key, value));
        self.walk(Column::Meta, |_, _, _| Ok(()));
        self.walk(Column::History, |_, _, value| hash(value).map(drop));
        self.walk(Column::Evidence, |_, _, value| decoded::<Evidence>(value).map(drop));
        self.walk(Column::Rivals, |_, _, value| decoded::<Rival>(value).map(drop));
    }

    /// Reads all rows of a column, of which there must be `expected`.
    pub(super) fn counted(&mut self, column: Column, expected: u64) {
        let mut found = 0;
        self.walk(column, |_, _, _| {
            found += 1;
            Ok(())
        });
        if found != expected {
            self.fault(column, &[], format!("{found} rows where there should be {expected}"));
        }
    }
}

/// A row of a column that the scrub walks, by itself and against its header.
pub(in crate::store) fn sound(store: &Store, column: Column, key: &[u8], value: &[u8]) -> Result<(), String> {
    match column {
        Column::Headers => header(key, value).map(drop),
        Column::Blocks => block(store, key, value),
        Column::Undos => of_valid::<Undo>(store, key, value),
        Column::Outcomes => of_valid::<OutcomeList>(store, key, value),
        Column::Bodies => body(store, key, value).map(drop),
        _ => Ok(()),
    }
}

/// A header under its hash.
fn header(key: &[u8], value: &[u8]) -> Result<(Hash256, StoredHeader), String> {
    let stored: StoredHeader = decoded(value)?;
    let hash = stored.signed.header.hash();
    if key == hash.0 { Ok((hash, stored)) } else { Err(format!("holds the header {hash}")) }
}

/// Transactions against their header.
fn block(store: &Store, key: &[u8], value: &[u8]) -> Result<(), String> {
    let TransactionList(transactions) = decoded(value)?;
    let header = header_of(store, key)?.signed.header;
    if header.hash() == store.chain_id() {
        return if transactions.is_empty() { Ok(()) } else { Err("genesis has none".into()) };
    }
    let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
    let root = if txids.is_empty() { Hash256::ZERO } else { merkle::root(&txids) };
    if (txids.len(), root) != (header.tx_count as usize, header.tx_root) {
        return Err("not the transactions that its header commits to".into());
    }
    Ok(())
}

/// A body under the number that its root leads to.
fn body(store: &Store, key: &[u8], value: &[u8]) -> Result<(u64, CheckedBody), String> {
    let row = BodyRow::parse(value).ok_or("no root with leaves")?;
    let id = row.id();
    let number = key.try_into().map(u64::from_be_bytes).map_err(|_| "its key is no number")?;
    if read(store.batch_number(&id))? != Some(number) {
        return Err(format!("the batch of root {} is called by another number", id.root));
    }
    let body = CheckedBody::check(id, row.leaves()).map_err(|error| error.to_string())?;
    Ok((number, body))
}

fn stage(store: &Store, hash: &Hash256, stored: &StoredHeader) -> Result<(), String> {
    let opens = stored.commitments.hash() == stored.signed.header.commitments;
    if !opens && *hash != store.chain_id() {
        return Err("its commitments do not open".into());
    }
    if read(store.roster(&stored.roster))?.is_none() {
        return Err(format!("the roster that block {} left is missing", stored.roster));
    }
    let needs_block = match stored.stage {
        Stage::Header | Stage::Invalid => false,
        Stage::Stored => true,
        Stage::Valid => {
            if stored.connected.is_none() {
                return Err("connected, and nothing is known of that".into());
            }
            true
        }
    };
    if needs_block && read(store.bytes(Column::Blocks, &hash.0))?.is_none() {
        return Err("its transactions are missing".into());
    }
    Ok(())
}

fn lineage(store: &Store, stored: &StoredHeader) -> Result<(), String> {
    let header = &stored.signed.header;
    let parent = read(store.header(&header.parent))?;
    let parent = parent.ok_or_else(|| format!("its parent {} is missing", header.parent))?;
    if header.height != parent.signed.header.height + 1 {
        return Err(format!("height {} behind {}", header.height, parent.signed.header.height));
    }
    let target = Target::from_bits(header.bits).map_err(|error| error.to_string())?;
    if stored.work != parent.work.saturating_add(target.work()) {
        return Err("its work is not its parent's with its own added".into());
    }
    if stored.stage == Stage::Valid && parent.stage != Stage::Valid {
        return Err("connected, but its parent was not".into());
    }
    Ok(())
}

fn signed(header: SignedHeader, network: &dronechain_chain_spec::spec::Network) -> Result<(), String> {
    header.check(network).map(drop).map_err(|error| error.to_string())
}

fn of_header<T: Canonical>(store: &Store, key: &[u8], value: &[u8]) -> Result<(), String> {
    decoded::<T>(value)?;
    header_of(store, key).map(drop)
}

fn of_valid<T: Canonical>(store: &Store, key: &[u8], value: &[u8]) -> Result<(), String> {
    decoded::<T>(value)?;
    let stage = header_of(store, key)?.stage;
    if stage == Stage::Valid { Ok(()) } else { Err("its block was never connected".into()) }
}

fn header_of(store: &Store, key: &[u8]) -> Result<StoredHeader, String> {
    read(store.header(&hash(key)?))?.ok_or_else(|| "its header is missing".into())
}

fn hash(bytes: &[u8]) -> Result<Hash256, String> {
    bytes.try_into().map(Hash256).map_err(|_| format!("{} bytes are no hash", bytes.len()))
}

pub(super) fn decoded<T: Canonical>(value: &[u8]) -> Result<T, String> {
    codec::decode(value).map_err(|error| error.to_string())
}

pub(super) fn read<T>(result: Result<T, ViewError>) -> Result<T, String> {
    result.map_err(|ViewError(reason)| reason)
}
