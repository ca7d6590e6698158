//! A node that changes over to a heavier chain ends in the same state as one that never saw another.

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::hostile::Forge;
use dronechain_tests::ledger::{checked, digest};
use dronechain_tests::wait::until;
use serde_json::{Value, json};

/// Blocks that both branches have in common.
const COMMON: u64 = 20;
/// Blocks that must leave with it.
const LEFT_MIN: u64 = 4_000;
/// Blocks of the branch that is left. Up to its first transaction it has the same blocks as the other.
const DEPTH: u64 = LEFT_MIN + EVERY;
/// One in so many blocks holds a transaction.
const EVERY: u64 = 50;
/// Entries of the registry in one answer.
const PAGE: usize = 50;
/// Every hash meets it.
const EASIEST: Bits = Bits(0x2100_ffff);

/// A key of its own for each branch and round.
fn key(what: &str, branch: u8, round: u8) -> SigningKey {
    SigningKey::from_bytes(&sha256(&[what.as_bytes(), &[branch, round]]).0)
}

/// What a round's anchor commits to: every second time the same on both branches.
fn leaves(branch: u8, round: u8) -> Vec<Hash256> {
    let branch = if round.is_multiple_of(8) { 0 } else { branch };
    (0..3_u8).map(|leaf| sha256(&[b"a record", &[branch, round, leaf]])).collect()
}

/// Who sends the transactions, and how far each is.
#[derive(Clone)]
struct Senders {
    chain_id: Hash256,
    admin: SigningKey,
    controller: SigningKey,
    admin_next: u64,
    controller_next: u64,
}

impl Senders {
    fn admin(&mut self, action: Action) -> Transaction {
        let body = TransactionBody { sender: Sender::Admins, sequence: self.admin_next, action };
        self.admin_next += 1;
        body.signed(&[&self.admin], &self.chain_id)
    }

    fn controller(&mut self, action: Action) -> Transaction {
        let sender = Sender::Key(PublicKey::of(&self.controller));
        let body = TransactionBody { sender, sequence: self.controller_next, action };
        self.controller_next += 1;
        body.signed(&[&self.controller], &self.chain_id)
    }

    fn enrol(&mut self, device: &SigningKey) -> Transaction {
        let (controller, kind, area) = (PublicKey::of(&self.controller), "multicopter", "north");
        let claim = PossessionClaim { controller, device: PublicKey::of(device), kind, area };
        let possession = claim.sign(device, &self.chain_id);
        let (device, kind, area) = (claim.device, kind.to_owned(), area.to_owned());
        self.controller(Action::Enrol(Enrolment { device, kind, area, possession }))
    }

    fn anchor(&mut self, leaves: &[Hash256]) -> Transaction {
        let leaf_count = u32::try_from(leaves.len()).expect("few");
        let root = merkle::root(leaves);
        let (kind, first_time, last_time) = (AnchorKind::Data, 1, 2);
        self.controller(Action::Anchor(Anchor { kind, root, leaf_count, first_time, last_time }))
    }
}

/// Mines `count` blocks. One in [`EVERY`] anchors a batch, admits an operator, enrols a device, or revokes the
/// device enrolled before.
fn extend(forge: &mut Forge, cluster: &Cluster, senders: &mut Senders, branch: u8, count: u64) {
    let mut rounds = 0..;
    // Every node in turn, across the fork too.
    let turns = cluster.keys.iter().cycle().skip(forge.height() % cluster.keys.len());
    for (block, miner) in (0..count).zip(turns) {
        let mut transactions = Vec::new();
        if block.is_multiple_of(EVERY) {
            let round: u8 = rounds.next().expect("few rounds");
            transactions.push(match round % 4 {
                0 => {
                    forge.body(leaves(branch, round));
                    senders.anchor(&leaves(branch, round))
                }
                1 => {
                    let key = PublicKey::of(&key("operator", branch, round));
                    senders.admin(Action::Admit { role: Role::Operator, key })
                }
                2 => senders.enrol(&key("device", branch, round)),
                _ => {
                    let device = PublicKey::of(&key("device", branch, round - 1));
                    senders.controller(Action::RevokeDevice { device, suspect_since: 1 })
                }
            });
        }
        forge.block(miner, transactions, Vec::new());
    }
}

/// Serves `forge` to node `i` until the node has its tip.
async fn follow(cluster: &Cluster, i: usize, forge: Forge) {
    let tip = forge.tip().to_string();
    // Any key but the node's own.
    let identity = &cluster.keys[(i + 1) % cluster.keys.len()];
    let peer = forge.serve(identity, cluster.p2p(i), PublicKey::of(&cluster.keys[i])).await;
    until("the tip of the chain served", async || cluster.tip(i).await.filter(|(_, hash)| *hash == tip))
        .await;
    until("every batch body", async || {
        (cluster.get(i, "/v1/status").await?["bodies_missing"] == 0).then_some(())
    })
    .await;
    peer.stop().await;
}

/// All that node `i` says of its state.
async fn standing(cluster: &Cluster, i: usize, controller: &PublicKey) -> Value {
    let get = async |path: String| {
        let found = cluster.get(i, &path).await;
        found.unwrap_or_else(|| panic!("node {i} does not answer {path}"))
    };
    let mut registry = Vec::new();
    for roll in ["nodes", "accounts"] {
        let mut from = 0;
        loop {
            let page = get(format!("/v1/registry?roll={roll}&from={from}&limit={PAGE}")).await;
            let entries = page["entries"].as_array().expect("a list").len();
            registry.push(page);
            if entries < PAGE {
                break;
            }
            from += PAGE;
        }
    }
    let mut sequences = Vec::new();
    for sender in ["admins".to_owned(), controller.to_string()] {
        // What waits in the mempool is not part of the state.
        sequences.push(get(format!("/v1/senders/{sender}")).await["next_sequence"].clone());
    }
    let mut receipts = Vec::new();
    for round in (0..u8::MAX).step_by(4) {
        for branch in [1, 2] {
            receipts.push(cluster.get(i, &format!("/v1/receipts/{}", leaves(branch, round)[0])).await);
        }
    }
    let tip = get("/v1/tip".to_owned()).await;
    json!({ "tip": tip, "registry": registry, "sequences": sequences, "receipts": receipts })
}

#[tokio::test]
async fn reorganisation_of_4000_blocks_leaves_the_state_of_a_fresh_sync() {
    let mut cluster = Cluster::new(3, |spec| {
        spec.parameters.limit_bits = EASIEST;
        spec.parameters.initial_bits = EASIEST;
        spec.parameters.finality_depth = 0;
        spec.genesis_time_ms -= 2 * DEPTH * spec.parameters.block_time_ms;
    });
    let mut senders = Senders {
        chain_id: cluster.chain_id(),
        admin: cluster.admin.clone(),
        controller: key("controller", 0, 0),
        admin_next: 0,
        controller_next: 0,
    };
    let controller = PublicKey::of(&senders.controller);
    let mut common = Forge::new(&cluster.spec);
    let admitted = senders.admin(Action::Admit { role: Role::Controller, key: controller });
    common.block(&cluster.keys[0], vec![admitted], Vec::new());
    extend(&mut common, &cluster, &mut senders, 0, COMMON - 1);
    let (mut left, mut senders_left) = (common.clone(), senders.clone());
    extend(&mut left, &cluster, &mut senders_left, 1, DEPTH);
    let mut heavier = common;
    extend(&mut heavier, &cluster, &mut senders, 2, DEPTH + 1);

    cluster.start(0, &["--mining-share", "0"]).await;
    follow(&cluster, 0, left).await;
    let before = standing(&cluster, 0, &controller).await;
    follow(&cluster, 0, heavier.clone()).await;
    let changed = standing(&cluster, 0, &controller).await;
    let log = cluster.log(0);
    let depths = log.split("disconnected=").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let deepest = depths.filter_map(|depth| depth.parse::<u64>().ok()).max();
    assert!(deepest.is_some_and(|deepest| deepest >= LEFT_MIN), "one reorganisation: {deepest:?}");
    cluster.kill(0);
    let state_changed = digest(&checked(&cluster, 0));

    cluster.start(1, &["--mining-share", "0"]).await;
    follow(&cluster, 1, heavier).await;
    let fresh = standing(&cluster, 1, &controller).await;
    until("the end of syncing in the log", async || cluster.log(1).contains("in sync").then_some(())).await;
    assert!(cluster.log(1).contains("syncing"));
    cluster.kill(1);
    assert_eq!(state_changed, digest(&checked(&cluster, 1)));
    assert_eq!(changed, fresh);
    assert_ne!(before["registry"], changed["registry"], "the branches differ");
    assert_ne!(before["receipts"], changed["receipts"], "the branches differ");
    let receipts = fresh["receipts"].as_array().expect("a list");
    assert!(receipts.iter().any(Value::is_object) && receipts.iter().any(Value::is_null));
}
