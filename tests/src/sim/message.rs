//! Messages between nodes, and the stateless checks that the node does before its core hears of
//! them (`p2p/inbox.rs`). Each message is checked once for all nodes of a cluster.

use std::collections::BTreeMap;
use std::rc::Rc;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{CheckedHeader, SIGNED_HEADER_LEN, SignedHeader};
use dronechain_chain_spec::limits::HEADERS_PER_MESSAGE;
use dronechain_chain_spec::link::{CheckedLink, Link};
use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::transaction::{CheckedTransaction, Transaction};
use dronechain_chain_spec::wire::{Request, Response};
use dronechain_node::core::event::{Answer, CheckedBody, Event, Fault, GossipId, Peer, RequestId};
use dronechain_node::core::view::BatchId;

/// A gossiped message, named by the hash of its content.
#[derive(Debug, Clone)]
pub(super) struct Gossip {
    pub(super) id: Hash256,
    pub(super) news: News,
}

/// What is gossiped.
#[derive(Debug, Clone)]
pub(super) enum News {
    Transaction(Rc<Transaction>),
    Header(Rc<Link>),
}

impl Gossip {
    pub(super) fn transaction(transaction: Transaction) -> Self {
        Self { id: transaction.txid(), news: News::Transaction(Rc::new(transaction)) }
    }

    pub(super) fn header(link: Link) -> Self {
        Self { id: sha256(&[&codec::encode(&link)]), news: News::Header(Rc::new(link)) }
    }
}

/// What travels over a connection.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    Gossip(Gossip),
    Ask { id: RequestId, request: Request },
    Reply { id: RequestId, response: Rc<Response> },
}

/// The checks, with what was checked before.
pub(super) struct Checks {
    pub(super) network: Network,
    headers: BTreeMap<[u8; SIGNED_HEADER_LEN], Result<CheckedHeader, HeaderError>>,
    transactions: BTreeMap<Hash256, Result<CheckedTransaction, TxError>>,
    links: BTreeMap<Hash256, Result<CheckedLink, HeaderError>>,
}

impl Checks {
    pub(super) fn new(network: Network) -> Self {
        Self { network, headers: BTreeMap::new(), transactions: BTreeMap::new(), links: BTreeMap::new() }
    }

    pub(super) fn header(&mut self, header: &SignedHeader) -> Result<CheckedHeader, HeaderError> {
        let network = &self.network;
        self.headers.entry(header.to_bytes()).or_insert_with(|| header.clone().check(network)).clone()
    }

    fn link(&mut self, link: &Link) -> Result<CheckedLink, HeaderError> {
        let name = sha256(&[&codec::encode(link)]);
        if let Some(known) = self.links.get(&name) {
            return known.clone();
        }
        let checked = self.header(&link.header);
        let checked = checked.and_then(|header| link.clone().check_shown(header, &self.network));
        self.links.insert(name, checked.clone());
        checked
    }

    pub(super) fn transaction(&mut self, transaction: &Transaction) -> Result<CheckedTransaction, TxError> {
        let Self { network, transactions, .. } = self;
        let check = || transaction.clone().check(&network.chain_id);
        transactions.entry(transaction.txid()).or_insert_with(check).clone()
    }

    fn block(&mut self, block: &Block) -> Result<CheckedBlock, BlockError> {
        let header = self.header(&block.header)?;
        let transactions: Result<_, _> = block.transactions.iter().map(|tx| self.transaction(tx)).collect();
        match transactions {
            Ok(transactions) => CheckedBlock::assemble(header, transactions),
            // The order of checks decides which error it is.
            Err(_) => block.clone().check(&self.network),
        }
    }

    /// A gossiped message as the core's event.
    pub(super) fn gossip(&mut self, peer: Peer, gossip: GossipId, news: &News) -> Result<Event, Fault> {
        match news {
            News::Transaction(transaction) => {
                let transaction = self.transaction(transaction).map_err(Fault::Transaction)?;
                Ok(Event::TransactionGossiped { peer, gossip, transaction })
            }
            News::Header(link) => {
                let link = self.link(link).map_err(Fault::Header)?;
                Ok(Event::HeaderGossiped { peer, gossip, link })
            }
        }
    }

    /// An answer as the core's.
    pub(super) fn answer(&mut self, asked: &Request, response: &Response) -> Result<Answer, Fault> {
        match (asked, response) {
            (Request::Status, Response::Status(status)) => Ok(Answer::Status(status.clone())),
            (Request::Headers { .. }, Response::Headers(headers)) if headers.len() <= HEADERS_PER_MESSAGE => {
                let checked = headers.iter().map(|link| self.link(link).map_err(Fault::Header));
                Ok(Answer::Headers(checked.collect::<Result<_, _>>()?))
            }
            (Request::Blocks { hashes }, Response::Blocks(blocks)) => {
                let mut asked = hashes.iter();
                if !blocks.iter().all(|block| asked.any(|hash| *hash == block.header.header.hash())) {
                    return Err(Fault::Unasked);
                }
                let checked = blocks.iter().map(|block| {
                    let hash = block.header.header.hash();
                    self.block(block).map_err(|error| Fault::Block { hash, error })
                });
                Ok(Answer::Blocks(checked.collect::<Result<_, _>>()?))
            }
            (Request::Body { .. }, Response::Body(None)) => Ok(Answer::Body(None)),
            (Request::Body { root, leaf_count }, Response::Body(Some(leaves))) => {
                let batch = BatchId { root: *root, leaf_count: *leaf_count };
                let body = CheckedBody::check(batch, leaves.clone()).map_err(Fault::Body)?;
                Ok(Answer::Body(Some(body)))
            }
            (
                Request::Status | Request::Headers { .. } | Request::Blocks { .. } | Request::Body { .. },
                Response::Status(_) | Response::Headers(_) | Response::Blocks(_) | Response::Body(_),
            ) => Err(Fault::Unasked),
        }
    }
}

/// The short name of a fault, to count it by.
pub(super) fn fault_name(fault: &Fault) -> String {
    let rule = |(number, name): (&str, &str)| format!("{number} {name}");
    match fault {
        Fault::Undecodable(_) => "undecodable".into(),
        Fault::Header(error) => rule(error.rule()),
        Fault::Block { error: BlockError::Header(error), .. } => rule(error.rule()),
        Fault::Block { error: BlockError::Transaction { error, .. }, .. } => {
            format!("B6 {}", rule(error.rule()))
        }
        Fault::Block { error, .. } => rule(error.rule()),
        Fault::Transaction(error) => rule(error.rule()),
        Fault::Body(error) => error.to_string().split(':').next().unwrap_or_default().to_owned(),
        Fault::Unasked => "unasked".into(),
    }
}
