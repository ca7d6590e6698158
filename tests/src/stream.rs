//! A controller that submits anchors over HTTP, and remembers what was acknowledged.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::http;
use crate::wait::until;

/// What an answer to a submission was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is durable.
    Acknowledged,
    /// It was refused: status and name.
    Refused(u16, String),
    /// None came: nobody knows.
    None,
}

/// A controller with its sequence.
pub struct Stream {
    key: SigningKey,
    chain_id: Hash256,
    http: reqwest::Client,
    next: u64,
    /// Leaves of each batch.
    pub leaves: u32,
    /// What was acknowledged: the anchor's sequence, transaction and first leaf.
    pub acknowledged: Vec<(u64, Hash256, Hash256)>,
}

impl Stream {
    /// Admits a controller on `cluster` by node `i`, and waits until it is in the chain.
    pub async fn admitted(cluster: &Cluster, i: usize) -> Self {
        let key = SigningKey::from_bytes(&[120; 32]);
        let (chain_id, http) = (cluster.chain_id(), http::client());
        let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&key) };
        let body = TransactionBody { sender: Sender::Admins, sequence: 0, action };
        let admit = body.signed(&[&cluster.admin], &chain_id);
        let stream = Self { key, chain_id, http, next: 0, leaves: 4, acknowledged: Vec::new() };
        let txid = admit.txid();
        let submission = Submission { transaction: admit, body: None };
        assert_eq!(stream.post(cluster.url(i), &submission).await, Answer::Acknowledged);
        until("the controller's admission", async || {
            cluster.get(i, &format!("/v1/transactions/{txid}")).await.filter(|tx| tx["state"] == "included")
        })
        .await;
        stream
    }

    fn submission(&self) -> Submission {
        let leaf = |n: u32| sha256(&[&self.next.to_be_bytes(), &n.to_be_bytes()]);
        let leaves: Vec<_> = (0..self.leaves).map(leaf).collect();
        let anchor = Anchor {
            kind: AnchorKind::Data,
            root: merkle::root(&leaves),
            leaf_count: self.leaves,
            first_time: 0,
            last_time: 0,
        };
        let sender = Sender::Key(PublicKey::of(&self.key));
        let body = TransactionBody { sender, sequence: self.next, action: Action::Anchor(anchor) };
        let transaction: Transaction = body.signed(&[&self.key], &self.chain_id);
        Submission { transaction, body: Some(BatchBody(leaves)) }
    }

    /// Submits the next anchor to the node at `url`. One that was not acknowledged is submitted again the
    /// next time, the same bytes.
    pub async fn submit(&mut self, url: &str) -> Answer {
        let submission = self.submission();
        let answer = self.post(url, &submission).await;
        if answer == Answer::Acknowledged {
            let leaf = submission.body.as_ref().expect("anchors have one").0[0];
            self.acknowledged.push((self.next, submission.transaction.txid(), leaf));
            self.next += 1;
        }
        answer
    }

    async fn post(&self, url: &str, submission: &Submission) -> Answer {
        let request = self.http.post(format!("{url}/v1/transactions")).body(codec::encode(submission));
        let Ok(answer) = request.send().await else { return Answer::None };
        let status = answer.status();
        let Ok(text) = answer.json::<Value>().await else { return Answer::None };
        if status.is_success() {
            return Answer::Acknowledged;
        }
        Answer::Refused(status.as_u16(), text["error"]["name"].as_str().unwrap_or_default().to_owned())
    }

    /// Asserts that node `i` has everything that was acknowledged: waiting or in the chain, the latter
    /// with a receipt. Gives how many are in the chain.
    pub async fn is_kept(&self, cluster: &Cluster, i: usize) -> usize {
        let (included, receipts) = self.standing(cluster, i).await;
        assert_eq!(included, receipts, "what is included has a receipt");
        included
    }

    /// Asserts that node `i` knows everything that was acknowledged; gives how many are in the chain, and
    /// how many have a receipt: their batch bodies come later.
    pub async fn standing(&self, cluster: &Cluster, i: usize) -> (usize, usize) {
        let (mut included, mut receipts) = (0, 0);
        for (sequence, txid, leaf) in &self.acknowledged {
            let state = cluster.get(i, &format!("/v1/transactions/{txid}")).await.expect("an answer");
            match state["state"].as_str() {
                Some("pending") => {}
                Some("included") => {
                    included += 1;
                    let receipt = cluster.get(i, &format!("/v1/receipts/{leaf}")).await;
                    receipts += usize::from(receipt.is_some());
                }
                other => panic!("sequence {sequence} was acknowledged and is {other:?}"),
            }
        }
        (included, receipts)
    }
}
