//! `reindex`: indexes and state built anew from the stored blocks, every rule applied; and what can be
//! saved of a damaged store in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::transaction::{Action, Transaction};
use serde::Serialize;

use super::care::{self, CareError, Standing};
use super::keys::Column;
use super::rebuild::Rebuild;
use super::rows::BodyRow;
use super::{Options, Store};
use crate::core::event::CheckedBody;
use crate::core::view::{BatchId, Changes, Stage, StoredHeader, View as _};
use crate::failpoint::{self, Failpoint};

/// Headers that one commit notes as live.
const LIVE_GROUP: usize = 500;

/// What was left behind on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Batch bodies of the chain that are damaged; peers are asked for those of the last blocks.
    pub bodies: u64,
    /// Waiting transactions that are damaged or were refused; what one damaged place held counts as one.
    pub pool: u64,
}

/// Builds the store in the folder `path`, which no process may have open, anew from its blocks, and puts
/// it in place of the old one in one step. `now_ms` is the clock.
///
/// # Errors
/// When the store does not open, or anything in it that is to be taken over is damaged: the old one stays then.
pub fn reindex(
    path: &Path,
    spec: &ChainSpec,
    options: &Options,
    now_ms: u64,
) -> Result<(Standing, Left), CareError> {
    let old = Store::inspect(path, spec, options)?;
    let spine = spine(&old)?;
    let staged = care::staging(path)?;
    let mut rebuild = Rebuild::start(&staged, spec, options, now_ms)?;
    let mut left = Left::default();
    bodies(&old, &mut rebuild)?;
    for hash in &spine {
        let (block, bytes) = block(&old, hash)?;
        rebuild.block(block, bytes)?;
    }
    rebuild.commit()?;
    side_branches(&old, &mut rebuild, &spine)?;
    observations(&old, &mut rebuild)?;
    live(&old, &mut rebuild, &spine)?;
    let waiting = waiting(&old)?;
    pool(&old, &mut rebuild, waiting, &mut left, &Numbers::new())?;
    let standing = rebuild.finish()?;
    failpoint::hit(Failpoint::ReindexBuilt);
    let replaced = staged.exchange(path)?;
    failpoint::hit(Failpoint::ReindexPlaced);
    drop(old);
    fs::remove_dir_all(&replaced).map_err(CareError::io(&replaced))?;
    Ok((standing, left))
}

/// Batches and their numbers.
type Numbers = BTreeMap<BatchId, u64>;

/// Takes over what can be read of `old`, in order of height up to the first block that cannot.
pub(super) fn salvage(old: &Store, rebuild: &mut Rebuild) -> Result<Left, CareError> {
    let mut left = Left::default();
    let numbers = numbers(old);
    for height in 1.. {
        let Ok(Some(hash)) = old.active(height) else { break };
        let Ok((block, bytes)) = block(old, &hash) else { break };
        left.bodies += bodies_of(old, rebuild, &block.transactions, &numbers)?;
        if rebuild.block(block, bytes).is_err() {
            break;
        }
    }
    rebuild.commit()?;
    let (waiting, damaged) = readable_waiting(old);
    left.pool += damaged;
    pool(old, rebuild, waiting, &mut left, &numbers)?;
    Ok(left)
}

/// The active chain from height 1 to the tip, by the headers alone.
fn spine(old: &Store) -> Result<Vec<Hash256>, CareError> {
    let (tip, height) = old.tip()?;
    let mut spine = Vec::with_capacity(usize::try_from(height).unwrap_or(0));
    let mut at = tip;
    for _ in 0..height {
        let stored = known(old, &at)?;
        spine.push(at);
        at = stored.signed.header.parent;
    }
    if at != old.chain_id() {
        return Err(CareError::refused(old.path(), format!("{height} headers below the tip is no genesis")));
    }
    spine.reverse();
    Ok(spine)
}

fn known(old: &Store, hash: &Hash256) -> Result<StoredHeader, CareError> {
    let missing = || CareError::refused(old.path(), format!("header {hash} is missing"));
    old.header(hash)?.ok_or_else(missing)
}

/// A stored block and its size in bytes.
fn block(old: &Store, hash: &Hash256) -> Result<(Block, usize), CareError> {
    let header = known(old, hash)?.signed;
    let missing = || CareError::refused(old.path(), format!("the transactions of block {hash} are missing"));
    let transactions = old.transactions(hash)?.ok_or_else(missing)?;
    let block = Block { header, transactions };
    let bytes = codec::encode(&block).len();
    Ok((block, bytes))
}

/// Every body, those of side branches and of waiting anchors too.
fn bodies(old: &Store, rebuild: &mut Rebuild) -> Result<(), CareError> {
    let mut failed = None;
    let read = old.each(Column::Bodies, &[], |_, value| {
        let row = BodyRow::parse(value).ok_or("value")?;
        let body = CheckedBody::check(row.id(), row.leaves()).map_err(|error| error.to_string())?;
        failed = rebuild.body(body).err();
        Ok(failed.is_none())
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(read?),
    }
}

/// The numbers of the bodies that can be read, from the bodies themselves: where their index is damaged too, they are
/// found.
fn numbers(old: &Store) -> Numbers {
    let all = 0..old.next_batch().unwrap_or(0);
    all.filter_map(|number| Some((old.numbered(number, |body| body.id()).ok()??, number))).collect()
}

/// The bodies of anchors among `transactions`; how many of them are damaged. One that was not there is not
/// lost by this.
fn bodies_of(
    old: &Store,
    rebuild: &mut Rebuild,
    transactions: &[Transaction],
    numbers: &Numbers,
) -> Result<u64, CareError> {
    let mut damaged = 0;
    for transaction in transactions {
        let Action::Anchor(anchor) = &transaction.body.action else { continue };
        let id = BatchId { root: anchor.root, leaf_count: anchor.leaf_count };
        let found = match numbers.get(&id) {
            Some(number) => old.numbered(*number, |body| body.leaves()),
            None => old.body(&id),
        };
        let body = match found {
            Ok(None) => continue,
            Ok(Some(leaves)) => CheckedBody::of(leaves).ok().filter(|body| body.id() == id),
            Err(_) => None,
        };
        match body {
            Some(body) => rebuild.body(body)?,
            None => damaged += 1,
        }
    }
    Ok(damaged)
}

/// Waiting transactions, in order.
fn waiting(old: &Store) -> Result<Vec<Transaction>, CareError> {
    let mut waiting = Vec::new();
    old.each(Column::Pool, &[], |_, value| {
        waiting.push(codec::decode(value).map_err(|error| error.to_string())?);
        Ok(true)
    })?;
    Ok(waiting)
}

/// Waiting transactions that can be read, in order, from either end up to the damage; and at how many places
/// they cannot.
fn readable_waiting(old: &Store) -> (Vec<Transaction>, u64) {
    let (mut damaged, mut read) = (0, BTreeMap::new());
    for back in [false, true] {
        for row in old.rows(Column::Pool, back) {
            let Ok((key, value)) = row else {
                damaged += u64::from(!back);
                break;
            };
            if read.contains_key(&key) {
                break;
            }
            match codec::decode::<Transaction>(&value) {
                Ok(transaction) => drop(read.insert(key, transaction)),
                Err(_) => damaged += u64::from(!back),
            }
        }
        if damaged == 0 {
            break;
        }
    }
    (read.into_values().collect(), damaged)
}

fn pool(
    old: &Store,
    rebuild: &mut Rebuild,
    waiting: Vec<Transaction>,
    left: &mut Left,
    numbers: &Numbers,
) -> Result<(), CareError> {
    for transaction in waiting {
        bodies_of(old, rebuild, std::slice::from_ref(&transaction), numbers)?;
        left.pool += u64::from(!rebuild.pooled(transaction)?);
    }
    Ok(())
}

/// What is beside the active chain, parents first: kept, not connected.
fn side_branches(old: &Store, rebuild: &mut Rebuild, spine: &[Hash256]) -> Result<(), CareError> {
    let spine: BTreeSet<_> = spine.iter().collect();
    let mut side = BTreeSet::new();
    old.each(Column::Headers, &[], |_, value| {
        let stored: StoredHeader = codec::decode(value).map_err(|error| error.to_string())?;
        let header = &stored.signed.header;
        let hash = header.hash();
        if header.height > 0 && stored.stage != Stage::Invalid && !spine.contains(&hash) {
            side.insert((header.height, hash));
        }
        Ok(true)
    })?;
    for (_, hash) in side {
        let link = old.link(&hash, known(old, &hash)?)?;
        rebuild.side(link, old.transactions(&hash)?)?;
    }
    rebuild.commit()
}

/// How many blocks were connected while they were new cannot be told from them, and finality counts those.
fn live(old: &Store, rebuild: &mut Rebuild, spine: &[Hash256]) -> Result<(), CareError> {
    for group in spine.chunks(LIVE_GROUP) {
        let mut changes = Changes::default();
        for hash in group {
            let Some(known) = known(old, hash)?.connected else { continue };
            let mut stored = rebuild.header(hash)?;
            if let Some(connected) = &mut stored.connected {
                connected.live = known.live;
            }
            changes.headers.insert(*hash, stored);
        }
        rebuild.amend(&changes)?;
    }
    Ok(())
}

/// Evidence and other chains' heads: as they are, they say nothing of this one.
fn observations(old: &Store, rebuild: &mut Rebuild) -> Result<(), CareError> {
    for column in [Column::Evidence, Column::Rivals] {
        let mut found = Vec::new();
        old.each(column, &[], |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(true)
        })?;
        rebuild.raw(column, &found)?;
    }
    Ok(())
}
