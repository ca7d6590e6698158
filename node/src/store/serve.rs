//! What peers are told, from committed data alone.

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::SIGNED_HEADER_LEN;
use dronechain_chain_spec::limits::{
    BLOCKS_PER_MESSAGE, HEADERS_PER_MESSAGE, LOCATOR_MAX, MESSAGE_BYTES_MAX,
};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::wire::{Request, Response, Status};

use super::Store;
use super::keys::Column;
use super::rows::TransactionList;
use crate::core::view::{BatchId, Stage, View as _, ViewError};

/// Bytes of an answer's headers or blocks; the rest of a message is room for its frame.
const ANSWER_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4096;

impl Store {
    /// The answer to a peer's request; `now_ms` is the own clock, ms since 1970 UTC.
    pub fn answer(&self, request: &Request, now_ms: u64) -> Result<Response, ViewError> {
        match request {
            Request::Status => self.status(now_ms).map(Response::Status),
            Request::Headers { locator } => self.headers_behind(locator).map(Response::Headers),
            Request::Blocks { hashes } => self.blocks(hashes).map(Response::Blocks),
            Request::Body { root, leaf_count } => {
                self.body(&BatchId { root: *root, leaf_count: *leaf_count }).map(Response::Body)
            }
        }
    }

    fn status(&self, time_ms: u64) -> Result<Status, ViewError> {
        let (tip, height) = self.tip()?;
        let header = self.header(&tip)?.ok_or_else(|| ViewError(format!("no header of the tip {tip}")))?;
        Ok(Status { chain_id: self.chain_id, tip, height, work: header.work, time_ms })
    }

    /// Headers of the active chain behind the first hash of `locator` that is on it, as many as
    /// fit; none if no hash is.
    fn headers_behind(&self, locator: &[Hash256]) -> Result<Vec<Link>, ViewError> {
        let (mut headers, mut bytes) = (Vec::new(), 0);
        let Some((mut parent, mut height)) = self.common(locator)? else {
            return Ok(headers);
        };
        while headers.len() < HEADERS_PER_MESSAGE {
            height += 1;
            let Some(hash) = self.active(height)? else { break };
            let Some(stored) = self.header(&hash)? else { break };
            // A reorganisation came in between: what follows belongs to another chain.
            if stored.signed.header.parent != parent {
                break;
            }
            let link = self.link(&hash, stored)?;
            bytes += codec::encode(&link).len();
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            headers.push(link);
            parent = hash;
        }
        Ok(headers)
    }

    fn common(&self, locator: &[Hash256]) -> Result<Option<(Hash256, u64)>, ViewError> {
        for hash in locator.iter().take(LOCATOR_MAX) {
            let height = self.header(hash)?.map(|stored| stored.signed.header.height);
            if let Some(height) = height
                && self.active(height)? == Some(*hash)
            {
                return Ok(Some((*hash, height)));
            }
        }
        Ok(None)
    }

    /// Those of the blocks that are here and were found valid, in the order asked, as many as fit in a
    /// message: whoever serves an invalid block is to blame for it.
    fn blocks(&self, hashes: &[Hash256]) -> Result<Vec<Block>, ViewError> {
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for hash in hashes.iter().take(BLOCKS_PER_MESSAGE) {
            let Some(stored) = self.header(hash)?.filter(|stored| stored.stage == Stage::Valid) else {
                continue;
            };
            let Some(row) = self.bytes(Column::Blocks, &hash.0)? else { continue };
            bytes += row.len() + SIGNED_HEADER_LEN;
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            let TransactionList(transactions) =
                codec::decode(&row).map_err(|error| ViewError(format!("block {hash}: {error}")))?;
            blocks.push(Block { header: stored.signed, transactions });
        }
        Ok(blocks)
    }
}
