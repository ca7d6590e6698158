//! Taking over a node's headers into a chain that others read meanwhile: the chain is locked to look and to write, never
//! while a node is waited for, nor while signatures are checked.

use std::borrow::BorrowMut;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::link::{CheckedLink, Link};
use dronechain_chain_spec::spec::Network;
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::{Headers, HeadersError, now_ms};
use crate::error::ClientError;
use crate::limits::{HEADERS_PER_REQUEST, SYNC_ROUNDS_MAX, SYNC_TIMEOUT};
use crate::node::NodeClient;

/// How the own chain moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Blocks that came on top.
    pub(crate) added: u64,
    /// Blocks of the old branch that left.
    pub(crate) removed: u64,
}

impl Moved {
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// This way first, and then that one.
    fn and(self, then: Self) -> Self {
        let taken = self.added.min(then.removed);
        Self { added: self.added - taken + then.added, removed: self.removed + then.removed - taken }
    }
}

/// As [`Headers::sync`]; `moved` also counts what came before an error, or before this was dropped.
pub(crate) async fn sync<H: BorrowMut<Headers>>(
    headers: &RwLock<H>,
    node: &NodeClient,
    moved: &mut Moved,
) -> Result<(), HeadersError> {
    for _ in 0..SYNC_ROUNDS_MAX {
        let (tip, height, network) = {
            let headers = headers.read().await;
            let chain = chain_of(&*headers);
            (chain.tip(), chain.height(), chain.network().clone())
        };
        let links = links_of(node, height + 1).await?;
        if links.first().is_some_and(|link| link.header.header.parent == tip) {
            let (links, bad) = check_all(&network, node, height, links);
            let mut headers = headers.write().await;
            let headers: &mut Headers = (*headers).borrow_mut();
            // Another node's may have come meanwhile.
            if headers.chain().tip() == tip {
                let before = headers.chain().height();
                let extended = headers.extend(node, links);
                let added = headers.chain().height() - before;
                *moved = moved.and(Moved { added, removed: 0 });
                extended?;
                bad.map_or(Ok(()), Err)?;
            }
            continue;
        }
        if links.is_empty() {
            let shown = node.tip().await?.hash;
            if chain_of(&*headers.read().await).height_of(&shown).is_some() {
                return Ok(());
            }
        }
        let Some(branch) = heavier_branch(headers, node).await? else { return Ok(()) };
        let mut headers = headers.write().await;
        let headers: &mut Headers = (*headers).borrow_mut();
        if branch.work() > headers.chain().work() {
            *moved = moved.and(headers.replace(branch)?);
        }
    }
    Ok(())
}

/// The node's branch, verified from where it leaves ours; none unless it has more work.
async fn heavier_branch<H: BorrowMut<Headers>>(
    headers: &RwLock<H>,
    node: &NodeClient,
) -> Result<Option<HeaderChain>, HeadersError> {
    let mut back = 1;
    let (mut branch, mut links) = loop {
        let base = {
            let headers = headers.read().await;
            let chain = chain_of(&*headers);
            chain.height().saturating_sub(back).max(chain.base())
        };
        let links = links_of(node, base + 1).await?;
        let parent = links.first().map(|link| link.header.header.parent);
        let headers = headers.read().await;
        let chain = chain_of(&*headers);
        if parent.is_some() && parent == chain.hash(base) {
            let mut branch = chain.clone();
            branch.truncate(base);
            break (branch, links);
        }
        if base == chain.base() {
            return match parent {
                // A node at its genesis has nothing.
                None => Ok(None),
                Some(_) if base > 0 => {
                    Err(HeadersError::OtherCheckpoint { node: node.url().to_owned(), height: base })
                }
                // Links on another genesis are another network's.
                Some(found) => Err(ClientError::WrongNetwork { expected: chain.chain_id(), found }.into()),
            };
        }
        back *= 2;
    };
    for _ in 0..SYNC_ROUNDS_MAX {
        let (checked, bad) = check_all(&branch.network().clone(), node, branch.height(), links);
        push_all(&mut branch, node, checked)?;
        bad.map_or(Ok(()), Err)?;
        links = links_of(node, branch.height() + 1).await?;
        // Another reorganisation at the node ends the branch here; the next sync goes on.
        if links.first().is_none_or(|link| link.header.header.parent != branch.tip()) {
            break;
        }
    }
    let is_heavier = branch.work() > chain_of(&*headers.read().await).work();
    Ok(is_heavier.then_some(branch))
}

/// Links from height `from` on. Each answer has its time; how many there are is the chain's affair.
async fn links_of(node: &NodeClient, from: u64) -> Result<Vec<Link>, ClientError> {
    let asked = timeout(SYNC_TIMEOUT, node.headers(from, HEADERS_PER_REQUEST)).await;
    asked.unwrap_or_else(|_elapsed| Err(ClientError::Timeout { url: node.url().to_owned() }))
}

/// What of links needs no chain: those before the first bad one, and what is wrong with it.
fn check_all(
    network: &Network,
    node: &NodeClient,
    below: u64,
    links: Vec<Link>,
) -> (Vec<CheckedLink>, Option<HeadersError>) {
    let mut checked = Vec::with_capacity(links.len());
    for (height, link) in (below + 1..).zip(links) {
        match link.check(network) {
            Ok(link) => checked.push(link),
            Err(error) => {
                let bad = HeadersError::Header { node: node.url().to_owned(), height, error };
                return (checked, Some(bad));
            }
        }
    }
    (checked, None)
}

/// Pushes links that attach; on a bad one the good ones before it stay.
pub(super) fn push_all(
    chain: &mut HeaderChain,
    node: &NodeClient,
    links: Vec<CheckedLink>,
) -> Result<(), HeadersError> {
    let now_ms = now_ms();
    for link in links {
        let height = chain.height() + 1;
        let block_time_ms = chain.roster(chain.height()).block_time_ms(height);
        let pushed =
            link.header().check_future(block_time_ms, now_ms).and_then(|()| chain.push_checked(&link));
        pushed.map_err(|error| HeadersError::Header { node: node.url().to_owned(), height, error })?;
    }
    Ok(())
}

fn chain_of<H: BorrowMut<Headers>>(headers: &H) -> &HeaderChain {
    let headers: &Headers = headers.borrow();
    headers.chain()
}
