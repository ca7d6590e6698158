//! One node's HTTP interface (`node/docs/http.md`), every answer parsed and bounded.

mod answers;
mod http;
mod roots;

use std::time::Duration;

use dronechain_chain_spec::chain::decode_links;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::governance::Governance;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::promise::SignedPromise;
use dronechain_chain_spec::receipt::{Authority, Receipt};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::transaction::{Anchor, AnchorKind, Sender, Transaction};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use serde::Deserialize;

use crate::error::ClientError;
use crate::limits::{
    ANSWER_TIMEOUT, HEADERS_PER_REQUEST, JSON_BYTES_MAX, OCTETS_MAX, SEQUENCE_MAX, TIP_WAIT_MAX,
};

pub use answers::{AccountView, AnchorStatus, Sequences, State, Status, Submitted, Tip, TransactionStatus};
use answers::{BlockAnswer, SpecAnswer};
pub use http::Http;
pub use roots::{Roots, RootsError};

/// A node, by its address. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct NodeClient {
    http: Http,
}

impl NodeClient {
    /// The node at `url`, e.g. `http://127.0.0.1:7700` or `https://node1.fleet:7700`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(url)? })
    }

    /// As [`NodeClient::new`], with others that vouch for its certificate.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`].
    pub fn trusting(url: &str, roots: &Roots) -> Result<Self, ClientError> {
        Ok(Self { http: Http::trusting(url, roots)? })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// The host of its address, with the port if it names one.
    pub fn host(&self) -> &str {
        let url = self.url();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// Who the node is and where its chain stands.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.http.get_json("/v1/status", &[]).await
    }

    /// The node's tip.
    pub async fn tip(&self) -> Result<Tip, ClientError> {
        self.http.get_json("/v1/tip", &[]).await
    }

    /// The tip once it is another than `after`, or as it stands after `wait` (at most 30 s).
    pub async fn wait_tip(&self, after: Hash256, wait: Duration) -> Result<Tip, ClientError> {
        let wait = wait.min(TIP_WAIT_MAX);
        let query = [("after", after.to_string()), ("wait_ms", wait.as_millis().to_string())];
        let url = self.http.address("/v1/tip");
        let request = self.http.get(&url, &query).timeout(wait + ANSWER_TIMEOUT);
        self.http.json(&url, request).await
    }

    /// The network's chain spec. Its genesis hash is what the node claims as chain id; whether that is
    /// the network wanted is the caller's to compare.
    ///
    /// # Errors
    /// [`ClientError::Malformed`] for a spec that breaks a rule, [`ClientError::WrongNetwork`] for one
    /// of another network than the node claims.
    pub async fn spec(&self) -> Result<ChainSpec, ClientError> {
        let path = "/v1/spec";
        let answer: SpecAnswer = self.http.get_json(path, &[]).await?;
        let malformed = |reason: String| self.malformed(path, reason);
        let bytes = hex::decode(&answer.spec).map_err(|error| malformed(error.to_string()))?;
        let spec: ChainSpec = codec::decode(&bytes).map_err(|error| malformed(error.to_string()))?;
        spec.check().map_err(|error| malformed(error.to_string()))?;
        let found = spec.genesis().hash();
        if found != answer.chain_id {
            return Err(ClientError::WrongNetwork { expected: answer.chain_id, found });
        }
        Ok(spec)
    }

    /// Links of the node's active chain from height `from` (at least 1) on, unverified; at most
    /// `limit` and at most 2,000, and fewer where they are large. Empty behind the tip.
    pub async fn headers(&self, from: u64, limit: u64) -> Result<Vec<Link>, ClientError> {
        let path = "/v1/headers";
        let limit = limit.min(HEADERS_PER_REQUEST);
        let query = [("from", from.to_string()), ("limit", limit.to_string())];
        let bytes = self.http.get_bytes(path, &query, OCTETS_MAX).await?;
        let links = decode_links(&bytes).map_err(|error| self.malformed(path, error.to_string()))?;
        if links.len() as u64 > limit {
            return Err(self.malformed(path, format!("{} links where {limit} were asked for", links.len())));
        }
        Ok(links)
    }

    /// Hands over a transaction, and for an anchor its batch body. The same bytes may be handed over
    /// again at any time. A promise in the answer is the node's own and of this transaction; whether the node is
    /// one of the network's, [`Promise::check_node`] tells.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the rule; `sequence-taken` if the sender has another transaction
    /// at this sequence. [`ClientError::Malformed`] for a promise that does not hold.
    ///
    /// [`Promise::check_node`]: dronechain_chain_spec::promise::Promise::check_node
    pub async fn submit(
        &self,
        transaction: &Transaction,
        body: Option<BatchBody>,
    ) -> Result<Submitted, ClientError> {
        let path = "/v1/transactions";
        let submission = Submission { transaction: transaction.clone(), body };
        let submitted: Submitted = self.http.post_bytes(path, codec::encode(&submission)).await?;
        if submitted.txid != transaction.txid() {
            return Err(self.malformed(path, format!("an answer about {}", submitted.txid)));
        }
        if let Some(promise) = &submitted.promise {
            check_promise(promise, transaction).map_err(|reason| self.malformed(path, reason))?;
        }
        Ok(submitted)
    }

    /// Where a transaction stands.
    pub async fn transaction(&self, txid: Hash256) -> Result<TransactionStatus, ClientError> {
        self.http.get_json(&format!("/v1/transactions/{txid}"), &[]).await
    }

    /// The sequence that a sender's next transaction must have.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `unknown` for a key that is not registered.
    pub async fn next_sequence(&self, sender: Sender) -> Result<Sequences, ClientError> {
        let path = format!("/v1/senders/{}", sender_name(sender));
        let sequences: Sequences = self.http.get_json(&path, &[]).await?;
        let Sequences { next_sequence: next, pending_sequence: pending } = sequences;
        if next <= pending && pending <= SEQUENCE_MAX {
            return Ok(sequences);
        }
        let (url, reason) = (self.url().to_owned() + &path, format!("sequences {next} and {pending}"));
        Err(ClientError::Malformed { url, reason })
    }

    /// Height of the block that has a sender's transaction at a sequence; none if it has not come so far. Unverified.
    pub(crate) async fn height_of(&self, sender: Sender, sequence: u64) -> Result<Option<u64>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            transactions: Vec<Listing>,
        }
        #[derive(Deserialize)]
        struct Listing {
            sequence: u64,
            height: u64,
        }
        let path = format!("/v1/senders/{}/transactions", sender_name(sender));
        let query = [("from", sequence.to_string()), ("limit", "1".to_owned())];
        let page: Page = self.http.get_json(&path, &query).await?;
        let found = page.transactions.into_iter().find(|listing| listing.sequence == sequence);
        Ok(found.map(|listing| listing.height))
    }

    /// Where an anchor stands, and its proof once it is included: with the registry path of `device`
    /// if one is named. The proof is unverified.
    pub async fn anchor(
        &self,
        sender: &PublicKey,
        sequence: u64,
        device: Option<&PublicKey>,
    ) -> Result<AnchorStatus, ClientError> {
        self.http.get_json(&format!("/v1/anchors/{sender}/{sequence}"), &device_query(device)).await
    }

    /// The receipt of an anchored hash; none if the node knows of no anchor. Unverified.
    pub async fn receipt(
        &self,
        hash: Hash256,
        device: Option<&PublicKey>,
    ) -> Result<Option<Receipt>, ClientError> {
        self.receipt_where(hash, &device_query(device)).await
    }

    /// The receipt of a hash that `sender` anchored as `kind`; none if the node knows of no such anchor. Unverified.
    pub async fn receipt_of(
        &self,
        hash: Hash256,
        sender: &PublicKey,
        kind: AnchorKind,
    ) -> Result<Option<Receipt>, ClientError> {
        let kind = match kind {
            AnchorKind::Data => "data",
            AnchorKind::Command => "command",
            AnchorKind::Access => "access",
        };
        self.receipt_where(hash, &[("sender", sender.to_string()), ("kind", kind.to_owned())]).await
    }

    async fn receipt_where(
        &self,
        hash: Hash256,
        query: &[(&str, String)],
    ) -> Result<Option<Receipt>, ClientError> {
        let path = format!("/v1/receipts/{hash}");
        let answer = self.http.get_bytes(&path, query, JSON_BYTES_MAX).await;
        let Some(json) = known(answer)? else { return Ok(None) };
        let receipt = Receipt::parse(&json).map_err(|error| self.malformed(&path, error.to_string()))?;
        if receipt.target != hash {
            return Err(self.malformed(&path, format!("a receipt of {}", receipt.target)));
        }
        Ok(Some(receipt))
    }

    /// The leaves of an anchored batch, checked against its root and their number; none if the node lacks
    /// them.
    pub async fn body(&self, anchor: &Anchor) -> Result<Option<Vec<Hash256>>, ClientError> {
        let Anchor { root, leaf_count, .. } = *anchor;
        let path = format!("/v1/bodies/{root}/{leaf_count}");
        let Some(bytes) = known(self.http.get_bytes(&path, &[], OCTETS_MAX).await)? else {
            return Ok(None);
        };
        let BatchBody(leaves) =
            codec::decode(&bytes).map_err(|error| self.malformed(&path, error.to_string()))?;
        let found = merkle::root(&leaves);
        if found != root || leaves.len() != leaf_count as usize {
            return Err(self.malformed(&path, format!("{} leaves of root {found}", leaves.len())));
        }
        Ok(Some(leaves))
    }

    /// Who governs the network, and how, after the node's tip.
    pub async fn governance(&self) -> Result<Governance, ClientError> {
        self.http.get_json("/v1/governance", &[]).await
    }

    /// A key's registration; none if it never had one.
    pub async fn account(&self, key: &PublicKey) -> Result<Option<AccountView>, ClientError> {
        known(self.http.get_json(&format!("/v1/registry/{key}"), &[]).await)
    }

    /// A key's entry with its path to the accounts' root; none of a key that is no account. Unverified.
    pub async fn account_proof(&self, key: &PublicKey) -> Result<Option<Authority>, ClientError> {
        let shown: Option<Authority> =
            known(self.http.get_json(&format!("/v1/registry/{key}/proof"), &[]).await)?;
        // A node's path leads elsewhere, to the nodes' root.
        Ok(shown.filter(|shown| shown.sender.entry.role != Role::Node))
    }

    /// The transactions of a block, in order; none if the node does not have it. Unverified.
    pub async fn transactions_of(&self, block: Hash256) -> Result<Option<Vec<Transaction>>, ClientError> {
        let path = format!("/v1/block/{block}");
        let Some(json) = known(self.http.get_bytes(&path, &[], OCTETS_MAX).await)? else { return Ok(None) };
        let answer: BlockAnswer =
            serde_json::from_slice(&json).map_err(|error| self.malformed(&path, error.to_string()))?;
        Ok(Some(answer.transactions.into_iter().map(|one| one.transaction).collect()))
    }

    /// Requests to the node that have no method of their own.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    fn malformed(&self, path: &str, reason: String) -> ClientError {
        ClientError::Malformed { url: self.http.address(path), reason }
    }
}

/// That the promise's node signed it, of this transaction and on its network.
fn check_promise(promise: &SignedPromise, transaction: &Transaction) -> Result<(), String> {
    let chain_id = promise.promise.chain_id;
    // The sender's signatures name the network too.
    let transaction = transaction.clone().check(&chain_id).map_err(|error| error.to_string())?;
    let promise = promise.clone().check(&chain_id).map_err(|error| error.to_string())?;
    if !promise.promise().is_of(&transaction) {
        return Err("a promise of another transaction".to_owned());
    }
    Ok(())
}

fn device_query(device: Option<&PublicKey>) -> Vec<(&'static str, String)> {
    device.map(|device| ("device", device.to_string())).into_iter().collect()
}

/// None for what the node does not know.
fn known<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_refusal("unknown") => Ok(None),
        Err(error) => Err(error),
    }
}

fn sender_name(sender: Sender) -> String {
    match sender {
        Sender::Admins => "admins".to_owned(),
        Sender::Key(key) => key.to_string(),
    }
}
