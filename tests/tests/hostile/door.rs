//! Scenario 19: transactions of another chain, weak keys and signatures in another form, at the HTTP door.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, Signature};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::Submission;

use super::scene::{ADMITTED, Scene, key};

/// The order of the curve's base point, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The neutral element, of order 1: a signature of zeros verifies under it by the plain equation.
fn weak() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}

/// The same signature with s + order for s: the plain equation holds still.
fn other_form(signature: Signature) -> Signature {
    let mut bytes = signature.0;
    let mut carry = 0;
    for (at, add) in ORDER.iter().enumerate() {
        let sum = u16::from(bytes[32 + at]) + u16::from(*add) + carry;
        bytes[32 + at] = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "2 * order has 32 bytes");
    Signature(bytes)
}

async fn refused(scene: &Scene, transaction: Transaction, name: &str, rule: &str) {
    let (status, answer) = scene.post(codec::encode(&Submission { transaction, body: None })).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(
        (&answer["error"]["name"], &answer["error"]["rule"]),
        (&name.into(), &rule.into()),
        "{answer}"
    );
}

#[tokio::test]
async fn transaction_of_another_chain_is_refused() {
    let scene = Scene::new().await;
    let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&key(120)) };
    let body = TransactionBody { sender: Sender::Admins, sequence: ADMITTED, action };
    let elsewhere = body.clone().signed(&[&scene.cluster.admin], &sha256(&[b"another chain"]));
    refused(&scene, elsewhere, "tx-signature", "T9").await;
    let here = body.signed(&[&scene.cluster.admin], &scene.chain_id());
    let (status, answer) = scene.post(codec::encode(&Submission { transaction: here, body: None })).await;
    assert_eq!(status, 202, "{answer}");
    scene.alive().await;
}

#[tokio::test]
async fn weak_keys_and_signatures_in_another_form_are_refused() {
    let scene = Scene::new().await;
    let admit = |key: [u8; 32]| {
        let action = Action::Admit { role: Role::Controller, key: PublicKey(key) };
        TransactionBody { sender: Sender::Admins, sequence: ADMITTED, action }
            .signed(&[&scene.cluster.admin], &scene.chain_id())
    };
    refused(&scene, admit(weak()), "tx-signature", "T9").await;
    // y = 2 is no point of the curve.
    refused(&scene, admit([2; 32]), "tx-signature", "T9").await;

    let (good, body) = scene.anchor(&scene.controllers[0], 0, "in one form");
    let mut other = good.clone();
    other.approvals[0].signature = other_form(other.approvals[0].signature);
    refused(&scene, other, "tx-signature", "T9").await;

    // Sent and signed by the weak key: R is the neutral element too, s is 0.
    let mut forged = good.clone();
    forged.body.sender = Sender::Key(PublicKey(weak()));
    forged.approvals[0].key = PublicKey(weak());
    let mut zeros = [0; 64];
    zeros[..32].copy_from_slice(&weak());
    forged.approvals[0].signature = Signature(zeros);
    refused(&scene, forged, "tx-signature", "T9").await;

    let (status, answer) = scene.submit((good, body)).await;
    assert_eq!(status, 202, "{answer}");
    scene.alive().await;
}
