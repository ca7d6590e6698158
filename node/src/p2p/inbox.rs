//! What one peer sent, checked off the swarm's task and handed to the core in the order of arrival.
//!
//! Each connected peer has one task here. It says [`Event::Connected`] first and [`Event::Closed`]
//! last, and waits when the core's queue is full; the swarm's task never does.

use std::sync::Arc;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::HEADERS_PER_MESSAGE;
use dronechain_chain_spec::link::{CheckedLink, Link};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::transaction::Transaction;
use dronechain_chain_spec::wire::{Request, Response, Status};
use libp2p::PeerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::limits::{CHECK_BATCH, PART_MIN};
use super::met::Claimed;
use super::task::Report;
use crate::core::event::{Answer, CheckedBody, Event, Fault, GossipId, Peer, RequestId};
use crate::core::view::BatchId;

/// What a peer sent.
#[derive(Debug)]
pub(super) enum Item {
    /// A gossiped transaction.
    Transaction(Gossiped),
    /// A gossiped header.
    Header(Gossiped),
    /// An answer.
    Answer {
        /// To which request.
        id: RequestId,
        /// What was asked.
        request: Request,
        /// The answer's bytes.
        bytes: Vec<u8>,
    },
    /// No answer.
    Failed {
        /// To which request.
        id: RequestId,
        /// What was wrong, if something came.
        fault: Option<Fault>,
    },
}

/// A gossiped message.
#[derive(Debug)]
pub(super) struct Gossiped {
    /// Its number.
    pub(super) gossip: GossipId,
    /// Its bytes.
    pub(super) data: Vec<u8>,
    /// Its room among the peer's messages.
    pub(super) room: OwnedSemaphorePermit,
}

/// What all inboxes share.
#[derive(Debug)]
pub(super) struct Checks {
    /// The network.
    pub(super) network: Network,
    /// The core's queue.
    pub(super) events: mpsc::Sender<Event>,
    /// Back to the swarm's task.
    pub(super) reports: mpsc::Sender<Report>,
    /// Checks that run at a time.
    pub(super) parallel: Arc<Semaphore>,
}

/// A gossiped message that no honest node sends.
struct Invalid {
    gossip: GossipId,
    fault: Fault,
}

/// Checks what `peer` sends until its sender is gone or the node stops.
pub(super) async fn run(checks: Arc<Checks>, peer: Peer, source: PeerId, mut items: mpsc::Receiver<Item>) {
    if checks.events.send(Event::Connected(peer)).await.is_err() {
        return;
    }
    loop {
        let mut batch = Vec::new();
        if items.recv_many(&mut batch, CHECK_BATCH).await == 0 {
            break;
        }
        let Ok(turn) = checks.parallel.clone().acquire_owned().await else { return };
        let shared = checks.clone();
        let work = move || {
            let _turn = turn;
            batch.into_iter().map(|item| check(item, peer, &shared)).collect::<Vec<_>>()
        };
        let Ok(checked) = tokio::task::spawn_blocking(work).await else { return };
        for checked in checked {
            if let Ok(Event::Answered { answer: Answer::Status(status), .. }) = &checked {
                let Status { tip: hash, height, .. } = *status;
                let told = Report::Tip { source, tip: Claimed { hash, height } };
                if checks.reports.send(told).await.is_err() {
                    return;
                }
            }
            let delivered = match checked {
                Ok(event) => checks.events.send(event).await.is_ok(),
                Err(Invalid { gossip, fault }) => {
                    checks.reports.send(Report::Invalid { gossip, source, fault }).await.is_ok()
                }
            };
            if !delivered {
                return;
            }
        }
    }
    // Fails only if the node is stopping.
    let _ = checks.events.send(Event::Closed(peer)).await;
}

fn check(item: Item, peer: Peer, checks: &Checks) -> Result<Event, Invalid> {
    let network = &checks.network;
    match item {
        Item::Transaction(Gossiped { gossip, data, room: _room }) => {
            let checked = codec::decode::<Transaction>(&data)
                .map_err(TxError::Malformed)
                .and_then(|transaction| transaction.check(&network.chain_id));
            match checked {
                Ok(transaction) => Ok(Event::TransactionGossiped { peer, gossip, transaction }),
                Err(error) => Err(Invalid { gossip, fault: Fault::Transaction(error) }),
            }
        }
        Item::Header(Gossiped { gossip, data, room: _room }) => {
            let link = codec::decode::<Link>(&data).map_err(|error| Fault::Undecodable(error.to_string()));
            match link.and_then(|link| link.check(network).map_err(Fault::Header)) {
                Ok(link) => Ok(Event::HeaderGossiped { peer, gossip, link }),
                Err(fault) => Err(Invalid { gossip, fault }),
            }
        }
        Item::Answer { id: request, request: asked, bytes } => {
            Ok(match check_answer(&asked, &bytes, network, &checks.parallel) {
                Ok(answer) => Event::Answered { peer, request, answer },
                Err(fault) => Event::RequestFailed { peer, request, fault: Some(fault) },
            })
        }
        Item::Failed { id: request, fault } => Ok(Event::RequestFailed { peer, request, fault }),
    }
}

fn check_answer(
    asked: &Request,
    bytes: &[u8],
    network: &Network,
    parallel: &Semaphore,
) -> Result<Answer, Fault> {
    let response = codec::decode(bytes).map_err(|error| Fault::Undecodable(error.to_string()))?;
    match (asked, response) {
        (Request::Status, Response::Status(status)) => Ok(Answer::Status(status)),
        (Request::Headers { .. }, Response::Headers(headers)) => {
            Ok(Answer::Headers(check_headers(headers, network, parallel)?))
        }
        (Request::Blocks { hashes }, Response::Blocks(blocks)) => {
            Ok(Answer::Blocks(check_blocks(hashes, blocks, network)?))
        }
        (Request::Body { .. }, Response::Body(None)) => Ok(Answer::Body(None)),
        (Request::Body { root, leaf_count }, Response::Body(Some(leaves))) => {
            let batch = BatchId { root: *root, leaf_count: *leaf_count };
            Ok(Answer::Body(Some(CheckedBody::check(batch, leaves).map_err(Fault::Body)?)))
        }
        (
            Request::Status | Request::Headers { .. } | Request::Blocks { .. } | Request::Body { .. },
            Response::Status(_) | Response::Headers(_) | Response::Blocks(_) | Response::Body(_),
        ) => Err(Fault::Unasked),
    }
}

/// Checkers that nobody else needs at the moment take a part each: a node that syncs waits for this.
fn check_headers(
    mut links: Vec<Link>,
    network: &Network,
    parallel: &Semaphore,
) -> Result<Vec<CheckedLink>, Fault> {
    if links.len() > HEADERS_PER_MESSAGE {
        return Err(Fault::Unasked);
    }
    let helpers = links.len() / PART_MIN;
    let turns: Vec<_> = (0..helpers).map_while(|_| parallel.try_acquire().ok()).collect();
    let size = links.len().div_ceil(turns.len() + 1).max(1);
    let mut parts = Vec::new();
    while links.len() > size {
        parts.push(links.split_off(links.len() - size));
    }
    let check = |links: Vec<Link>| -> Result<Vec<CheckedLink>, Fault> {
        links.into_iter().map(|link| link.check(network).map_err(Fault::Header)).collect()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.into_iter().rev().map(|part| scope.spawn(move || check(part))).collect();
        let mut checked = check(links)?;
        for other in others {
            checked.append(&mut other.join().expect("checks do not panic")?);
        }
        Ok(checked)
    })
}

/// Blocks must be among those asked for, in that order; some may be left out.
fn check_blocks(
    asked: &[Hash256],
    blocks: Vec<Block>,
    network: &Network,
) -> Result<Vec<CheckedBlock>, Fault> {
    let mut asked = asked.iter();
    if !blocks.iter().all(|block| asked.any(|hash| *hash == block.header.header.hash())) {
        return Err(Fault::Unasked);
    }
    let check = |block: Block| {
        let hash = block.header.header.hash();
        block.check(network).map_err(|error| Fault::Block { hash, error })
    };
    blocks.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::merkle;
    use dronechain_chain_spec::target::Work;
    use dronechain_chain_spec::wire::Status;

    use super::super::testing;
    use super::*;

    fn answered(asked: &Request, response: &Response) -> Result<Answer, Fault> {
        check_answer(asked, &codec::encode(response), &testing::spec(1).network(), &Semaphore::new(1))
    }

    #[test]
    fn answer_of_another_kind_is_unasked() {
        let empty = Response::Headers(Vec::new());
        assert_eq!(answered(&Request::Status, &empty), Err(Fault::Unasked));
        let asked = Request::Headers { locator: Vec::new() };
        assert_eq!(answered(&asked, &empty), Ok(Answer::Headers(Vec::new())));
        assert_eq!(answered(&asked, &Response::Body(None)), Err(Fault::Unasked));
    }

    #[test]
    fn bytes_left_over_are_undecodable() {
        let network = testing::spec(1).network();
        let (chain_id, tip) = (network.chain_id, network.chain_id);
        let status = Status { chain_id, tip, height: 0, work: Work::ZERO, time_ms: 1 };
        let mut bytes = codec::encode(&Response::Status(status.clone()));
        assert_eq!(
            check_answer(&Request::Status, &bytes, &network, &Semaphore::new(1)),
            Ok(Answer::Status(status))
        );
        bytes.push(0);
        let refused = check_answer(&Request::Status, &bytes, &network, &Semaphore::new(1));
        assert!(matches!(refused, Err(Fault::Undecodable(_))), "{refused:?}");
    }

    #[test]
    fn only_blocks_asked_for_in_their_order_are_taken() {
        let spec = testing::spec(1);
        let blocks: Vec<_> = (1..=3).map(|time| testing::block(&spec, time)).collect();
        let hashes: Vec<_> = blocks.iter().map(|block| block.header.header.hash()).collect();
        let asked = Request::Blocks { hashes: hashes.clone() };
        let taken = |which: &[usize]| {
            let some = which.iter().map(|at| blocks[*at].clone()).collect();
            answered(&asked, &Response::Blocks(some))
        };
        assert!(matches!(taken(&[0, 2]), Ok(Answer::Blocks(two)) if two.len() == 2));
        assert_eq!(taken(&[2, 0]), Err(Fault::Unasked));
        assert_eq!(taken(&[1, 1]), Err(Fault::Unasked));
        let other = Request::Blocks { hashes: hashes[..2].to_vec() };
        let third = Response::Blocks(vec![blocks[2].clone()]);
        assert_eq!(answered(&other, &third), Err(Fault::Unasked));
    }

    #[test]
    fn body_must_hash_to_the_root_asked_for() {
        let leaves = vec![Hash256([1; 32]), Hash256([2; 32])];
        let asked = Request::Body { root: merkle::root(&leaves), leaf_count: 2 };
        assert!(matches!(answered(&asked, &Response::Body(Some(leaves.clone()))), Ok(Answer::Body(Some(_)))));
        assert_eq!(answered(&asked, &Response::Body(None)), Ok(Answer::Body(None)));
        let refused = answered(&asked, &Response::Body(Some(leaves[..1].to_vec())));
        assert!(matches!(refused, Err(Fault::Body(_))), "{refused:?}");
    }
}
