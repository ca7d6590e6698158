//! The store against real RocksDB folders: what is committed is read back, and what is damaged or
//! another's is refused by name.

mod chain;
mod damage;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::transaction::{Sender, Transaction};
use dronechain_chain_spec::wire::{Request, Response};
use dronechain_node::core::view::{BatchId, Moved, Stage, View as _};
use dronechain_node::store::Sequences;

use crate::chain::{Chain, batch, filled, key, leaves, open, same, spec};

#[test]
fn fresh_folder_holds_genesis_and_reopens_the_same() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("deep/inside");
    let genesis = spec("one").genesis().hash();
    let mut expected = spec("one").genesis_state();
    expected.history.push(genesis);
    for _ in 0..3 {
        let (store, loaded) = open(&path).expect("opens");
        assert_eq!((loaded.tip, loaded.pool.len()), (genesis, 0));
        assert!(same(&loaded.state, &expected));
        assert_eq!(store.active(0), Ok(Some(genesis)));
        assert_eq!(store.transactions(&genesis), Ok(Some(Vec::new())));
        assert_eq!(store.history_node(0, 0), Ok(Some(genesis)));
        let header = store.header(&genesis).expect("reads").expect("is there");
        assert_eq!((header.stage, header.signed.header.hash()), (Stage::Valid, genesis));
    }
}

#[test]
fn commit_is_read_back_with_its_indexes_after_reopening() {
    let (folder, chain, second) = filled();
    let (store, loaded) = open(folder.path()).expect("opens");
    let Moved { hash, height, transactions, outcomes } = second.moved;
    let (root, batch, sender) = (merkle::root(&leaves(5)), batch(5), Sender::Key(PublicKey::of(&key(20))));
    assert!(same(&loaded.state, &chain.state));
    assert_eq!((loaded.tip, store.tip()), (hash, Ok((hash, height))));
    assert_eq!(store.transactions(&hash), Ok(Some(transactions.clone())));
    assert_eq!(store.outcomes(&hash), Ok(Some(outcomes)));
    assert_eq!(store.undo(&hash), Ok(Some(second.undo)));
    let place = store.transaction_place(&transactions[0].txid()).expect("reads").expect("is there");
    assert_eq!((place.height, place.block, place.position), (height, hash, 0));
    let place = store.sequence_place(sender, 0).expect("reads").expect("is there");
    assert_eq!((place.height, place.position), (height, 0));
    assert_eq!(store.sequence_place(sender, 1), Ok(None));
    assert_eq!(store.anchors_of_leaf(&leaves(5)[3]), Ok(vec![(batch, 3)]));
    assert_eq!(store.anchors_of_root(&root), Ok(vec![(sender, 0, height)]));
    assert_eq!((store.has_body(&batch), store.body(&batch)), (Ok(true), Ok(Some(leaves(5)))));
    assert_eq!(store.has_body(&BatchId { leaf_count: 4, ..batch }), Ok(false));
}

#[test]
fn leaves_that_begin_alike_are_told_apart() {
    let folder = tempfile::tempdir().expect("temp dir");
    let (store, loaded) = open(folder.path()).expect("opens");
    let mut chain = Chain::new(&store, &loaded);
    let alike = |last: u8| {
        let mut leaf = leaves(1)[0];
        leaf.0[31] ^= last;
        leaf
    };
    let batches = [vec![alike(1), alike(2)], vec![alike(3)], vec![alike(2), alike(4), alike(3)]];
    let ids = batches.each_ref().map(|body| BatchId {
        root: merkle::root(body),
        leaf_count: u32::try_from(body.len()).expect("few"),
    });
    for (id, body) in ids.into_iter().zip(&batches) {
        let mut changes = chain.grow(&[]).changes;
        changes.bodies.insert(id, body.clone());
        store.commit(&changes).expect("commits");
        // Stored again, it has its number already.
        store.commit(&changes).expect("commits");
    }
    let [first, second, third] = ids;
    assert_eq!(store.anchors_of_leaf(&alike(1)), Ok(vec![(first, 0)]));
    assert_eq!(store.anchors_of_leaf(&alike(2)), Ok(vec![(first, 1), (third, 0)]));
    assert_eq!(store.anchors_of_leaf(&alike(3)), Ok(vec![(second, 0), (third, 2)]));
    assert_eq!(store.anchors_of_leaf(&alike(5)), Ok(vec![]));
    assert_eq!(store.body(&third), Ok(Some(batches[2].clone())));
}

#[test]
fn mempool_is_durable_and_counts_behind_the_chain() {
    let (folder, mut chain, _) = filled();
    let sender = Sender::Key(PublicKey::of(&key(20)));
    let pooled = chain.anchor(20, 1, &leaves(3));
    let (store, loaded) = open(folder.path()).expect("opens");
    assert_eq!(loaded.pool, [pooled.get().clone()]);
    assert_eq!(store.pool_entry(sender, 1), Ok(Some(pooled.get().clone())));
    assert_eq!(store.pool_place(&pooled.txid()), Ok(Some((sender, 1))));
    let place = loaded.state.registry.place(&PublicKey::of(&key(20)));
    assert_eq!(store.sequences(sender, place), Ok(Some(Sequences { next: 1, pending: 2 })));
    assert_eq!(store.sequences(Sender::Admins, None), Ok(Some(Sequences { next: 1, pending: 1 })));

    let mut third = chain.grow(std::slice::from_ref(&pooled));
    third.changes.pool = [((sender, 1), None)].into();
    store.commit(&third.changes).expect("commits");
    assert_eq!((store.pool_len(), store.pool_place(&pooled.txid())), (Ok(0), Ok(None)));
    assert_eq!(store.sequences(sender, place), Ok(Some(Sequences { next: 2, pending: 2 })));
}

#[test]
fn disconnected_block_leaves_the_indexes_and_keeps_its_data() {
    let (folder, mut chain, second) = filled();
    let (store, _) = open(folder.path()).expect("opens");
    let parent = store.header(&second.undo_parent()).expect("reads").expect("is there").signed.header;
    let other = chain.anchor(20, 0, &leaves(7));
    let mut changes = chain.shrink(&second, parent);
    let replaced = chain.grow(&[other]);
    // One commit: a block leaves, another takes its place.
    changes.headers = replaced.changes.headers;
    changes.blocks = replaced.changes.blocks;
    changes.undos = replaced.changes.undos;
    changes.active = replaced.changes.active;
    changes.connected = replaced.changes.connected;
    changes.history_nodes = replaced.changes.history_nodes;
    changes.state = replaced.changes.state;
    store.commit(&changes).expect("commits");

    let sender = Sender::Key(PublicKey::of(&key(20)));
    let hash = second.moved.hash;
    assert_eq!(store.active(2), Ok(Some(replaced.moved.hash)));
    assert_eq!(store.transaction_place(&second.moved.transactions[0].txid()), Ok(None));
    assert_eq!(store.anchors_of_root(&merkle::root(&leaves(5))), Ok(Vec::new()));
    assert_eq!(store.anchors_of_root(&merkle::root(&leaves(7))), Ok(vec![(sender, 0, 2)]));
    assert!(store.sequence_place(sender, 0).expect("reads").is_some());
    assert_eq!(store.transactions(&hash), Ok(Some(second.moved.transactions.clone())));
    assert_eq!(store.body(&batch(5)), Ok(Some(leaves(5))));
    drop(store);
    let (_, loaded) = open(folder.path()).expect("opens");
    assert!(same(&loaded.state, &chain.state));
}

#[test]
fn lower_tip_after_a_disconnect_alone() {
    let (folder, mut chain, second) = filled();
    let (store, _) = open(folder.path()).expect("opens");
    let parent = store.header(&second.undo_parent()).expect("reads").expect("is there").signed.header;
    store.commit(&chain.shrink(&second, parent.clone())).expect("commits");
    assert_eq!((store.active(2), store.tip()), (Ok(None), Ok((parent.hash(), 1))));
    assert_eq!(store.sequence_place(Sender::Key(PublicKey::of(&key(20))), 0), Ok(None));
    drop(store);
    let (_, loaded) = open(folder.path()).expect("opens");
    assert!(same(&loaded.state, &chain.state));
}

#[test]
fn peers_are_answered_from_the_active_chain() {
    let (folder, _, second) = filled();
    let (store, _) = open(folder.path()).expect("opens");
    let genesis = spec("one").genesis().hash();
    let unknown = sha256(&[b"unknown"]);
    let Ok(Response::Headers(headers)) =
        store.answer(&Request::Headers { locator: vec![unknown, genesis] }, 0)
    else {
        panic!("headers are answered with headers");
    };
    let heights: Vec<_> = headers.iter().map(|link| link.header.header.height).collect();
    assert_eq!(heights, [1, 2]);
    assert_eq!(
        store.answer(&Request::Headers { locator: vec![unknown] }, 0),
        Ok(Response::Headers(Vec::new()))
    );
    let hashes = vec![unknown, second.moved.hash];
    let Ok(Response::Blocks(blocks)) = store.answer(&Request::Blocks { hashes }, 0) else {
        panic!("blocks are answered with blocks");
    };
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].transactions, second.moved.transactions);
    let body = store.answer(&Request::Body { root: merkle::root(&leaves(5)), leaf_count: 5 }, 0);
    assert_eq!(body, Ok(Response::Body(Some(leaves(5)))));
    let Ok(Response::Status(status)) = store.answer(&Request::Status, 77) else {
        panic!("a status is answered with a status");
    };
    assert_eq!((status.tip, status.height, status.time_ms), (second.moved.hash, 2, 77));
}

#[test]
fn stored_bytes_are_canonical() {
    let (folder, ..) = filled();
    let (store, _) = open(folder.path()).expect("opens");
    let bytes = store.body_bytes(&batch(5)).expect("reads").expect("is there");
    assert_eq!(bytes, codec::encode(&leaves(5)));
    let transaction: Transaction =
        store.pool_entry(Sender::Key(PublicKey::of(&key(20))), 1).expect("reads").expect("is there");
    assert_eq!(transaction.body.sequence, 1);
}
