//! A small network with one of everything that the explorer shows.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_chain_spec::wire::{BatchBody, Submission};

use crate::cluster::Cluster;
use crate::http;
use crate::wait::until;

/// Leaves of the batch: the path of the last one is shorter than the others'.
pub const LEAVES: u8 = 7;

/// A running network and what is on its chain.
pub struct Explored {
    /// Two nodes.
    pub cluster: Cluster,
    /// Anchored the batch and enrolled the devices.
    pub controller: PublicKey,
    /// Admitted, anchored nothing.
    pub operator: PublicKey,
    /// Enrolled.
    pub device: PublicKey,
    /// Enrolled and revoked.
    pub revoked: PublicKey,
    /// Of the anchor.
    pub txid: Hash256,
    /// Of the batch.
    pub root: Hash256,
    /// The records' hashes.
    pub leaves: Vec<Hash256>,
}

/// The record with this number.
pub fn record(number: u8) -> Vec<u8> {
    vec![number; 100]
}

/// Starts it, and waits until all of it is in blocks.
pub async fn explored() -> Explored {
    let cluster = Cluster::started(2).await;
    let [controller, operator, device, revoked] =
        [90, 91, 92, 93].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let key = PublicKey::of(&controller);
    let leaves: Vec<_> = (0..LEAVES).map(|number| sha256(&[&record(number)])).collect();
    let root = merkle::root(&leaves);
    let chain_id = cluster.chain_id();
    let admit = |sequence, role, of: &SigningKey| {
        let action = Action::Admit { role, key: PublicKey::of(of) };
        let body = TransactionBody { sender: Sender::Admins, sequence, action };
        body.signed(&[&cluster.admin], &chain_id)
    };
    submit(&cluster, admit(0, Role::Controller, &controller), None).await;
    submit(&cluster, admit(1, Role::Operator, &operator), None).await;
    let path = format!("/v1/registry/{key}");
    until("the controller's admission", async || cluster.get(0, &path).await).await;
    let by_controller = |sequence, action| {
        let body = TransactionBody { sender: Sender::Key(key), sequence, action };
        body.signed(&[&controller], &chain_id)
    };
    for (sequence, device) in [(0, &device), (1, &revoked)] {
        let (kind, area) = ("multicopter", "north <field> & \"pier\"");
        let claim = PossessionClaim { controller: key, device: PublicKey::of(device), kind, area };
        let possession = claim.sign(device, &chain_id);
        let (kind, area) = (kind.to_owned(), area.to_owned());
        let enrolment = Enrolment { device: PublicKey::of(device), kind, area, possession };
        submit(&cluster, by_controller(sequence, Action::Enrol(enrolment)), None).await;
    }
    let anchor = Anchor {
        kind: AnchorKind::Data,
        root,
        leaf_count: LEAVES.into(),
        first_time: 1_700_000_000_000,
        last_time: 1_700_000_060_000,
    };
    let anchored = by_controller(2, Action::Anchor(anchor));
    let txid = anchored.txid();
    submit(&cluster, anchored, Some(BatchBody(leaves.clone()))).await;
    let revoke = Action::RevokeDevice { device: PublicKey::of(&revoked), suspect_since: 1 };
    submit(&cluster, by_controller(3, revoke), None).await;
    let heartbeat =
        Anchor { kind: AnchorKind::Data, root: Hash256::ZERO, leaf_count: 0, first_time: 0, last_time: 0 };
    submit(&cluster, by_controller(4, Action::Anchor(heartbeat)), None).await;
    until("all of it in blocks", async || {
        let sender = cluster.get(0, &format!("/v1/senders/{key}")).await?;
        (sender["next_sequence"] == 5).then_some(())
    })
    .await;
    until("the receipt", async || cluster.get(0, &format!("/v1/receipts/{}", leaves[0])).await).await;
    let [operator, device, revoked] = [&operator, &device, &revoked].map(PublicKey::of);
    Explored { cluster, controller: key, operator, device, revoked, txid, root, leaves }
}

/// Hands a transaction to node 0.
pub async fn submit(cluster: &Cluster, transaction: Transaction, body: Option<BatchBody>) {
    let submission = codec::encode(&Submission { transaction, body });
    let url = format!("{}/v1/transactions", cluster.url(0));
    let answer = http::client().post(url).body(submission).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}
