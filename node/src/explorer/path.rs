//! The path of a receipt from the leaf to the block, drawn level by level with the values recomputed here. The script
//! recomputes them once more and puts its marks beside the steps (`data-step`).

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::merkle::{self, Step};
use dronechain_chain_spec::receipt::{AnchorProof, Part, Receipt};
use dronechain_chain_spec::registry::Entry;
use dronechain_chain_spec::transaction::{Action, Transaction};
use maud::{Markup, html};

use super::page::{facts, mark};
use super::{amount, name};

/// The order in which a verifier goes through the parts: what comes behind the one that failed was not reached.
const ORDER: [Part; 7] = [
    Part::Format,
    Part::Record,
    Part::Proof,
    Part::Transaction,
    Part::Header,
    Part::BlockPath,
    Part::Registry,
];

/// The whole path; `failed` is the part that does not hold, if any.
pub(super) fn drawn(receipt: &Receipt, failed: Option<Part>) -> Markup {
    let AnchorProof { transaction, tx_index, block_path, height, header, authority } = &receipt.anchor;
    let (arrived, batch) = levels("proof", &receipt.target, &receipt.path);
    let txid = sha256(&[transaction]);
    let (tx_root, block) = levels("block", &txid, block_path);
    let stage = |part, title: &str, body: Markup| stage(part, failed, title, &body);
    html! {
        ol.path aria-label="From the record to the block" {
            (stage(Part::Record, "Record", html! { (value("record", "SHA-256 of the record", &receipt.target)) }))
            (stage(Part::Proof, "Batch", html! {
                p.note { "Leaf " (receipt.index) " of " (amount::count(receipt.leaf_count.into())) ", counted from 0." }
                (batch)
                (compared("root", "The path arrives at", &arrived, "the receipt's batch root", &receipt.root))
            }))
            (stage(Part::Transaction, "Anchor transaction", html! {
                p.note { (anchored(transaction)) }
                (compared("txid", "SHA-256 of its bytes is", &txid, "the receipt's source id", &receipt.source_id))
            }))
            (stage(Part::BlockPath, "Block's tree", html! {
                p.note { "Transaction " (tx_index) " of " (header.header.tx_count) ", counted from 0." }
                (block)
                (compared("txroot", "The path arrives at", &tx_root, "the header's root", &header.header.tx_root))
            }))
            (stage(Part::Header, "Block", html! {
                p.note { "SHA-256 twice over the header's 168 bytes; at height " (name::height(*height)) " of this node's chain." }
                (value("hash", "Block hash", &header.header.hash()))
                @if failed != Some(Part::Header) { p { a href={ "/block/" (header.header.hash()) } { "See the block" } } }
            }))
            (stage(Part::Registry, "Who was entitled", html! {
                p.note { "As shown by the block at height " (name::height(authority.height)) "." }
                (entry("Sender", &authority.sender.entry))
                @if let Some(device) = &authority.device { (entry("Device", &device.entry)) }
            }))
        }
    }
}

fn stage(part: Part, failed: Option<Part>, title: &str, body: &Markup) -> Markup {
    let at = |part| ORDER.iter().position(|known| *known == part);
    let (class, text) = match failed {
        Some(failed) if failed == part => ("bad", "fails"),
        Some(failed) if at(failed) < at(part) => ("none", "not reached"),
        Some(_) | None => ("good", "holds"),
    };
    html! {
        li class={ "stage " (class) } {
            h3 { (title) " " (mark(class, text)) }
            (body)
        }
    }
}

/// The levels of a tree from `leaf` up, and where they arrive.
fn levels(tree: &str, leaf: &Hash256, path: &[Step]) -> (Hash256, Markup) {
    let mut node = *leaf;
    let mut rows = Vec::new();
    for (at, step) in path.iter().enumerate() {
        let (side, sibling, parent) = match step {
            Step::Left(sibling) => ("left", sibling, merkle::parent(sibling, &node)),
            Step::Right(sibling) => ("right", sibling, merkle::parent(&node, sibling)),
        };
        rows.push(html! {
            li {
                p { "with its " (side) " neighbour " (name::full(sibling)) }
                (value(&format!("{tree}-{at}"), &format!("Level {}", at + 1), &parent))
            }
        });
        node = parent;
    }
    let list = html! {
        @if rows.is_empty() { p.note { "It is the only leaf, and so the root itself." } }
        @else { ol.levels { @for row in rows { (row) } } }
    };
    (node, list)
}

/// A value that a step gives.
fn value(step: &str, what: &str, hash: &Hash256) -> Markup {
    html! { p.value data-step=(step) { span.what { (what) } " " code.hash { (hash) } } }
}

fn compared(step: &str, what: &str, found: &Hash256, named: &str, expected: &Hash256) -> Markup {
    html! {
        (value(step, what, found))
        @if found == expected { p { (mark("good", "equal")) " to " (named) } }
        @else { p { (mark("bad", "another")) " than " (named) " " (name::full(expected)) } }
    }
}

fn anchored(bytes: &[u8]) -> Markup {
    match codec::decode::<Transaction>(bytes) {
        Ok(Transaction { body, .. }) => html! {
            (amount::counted(bytes.len() as u64, "byte", "bytes")) ": "
            @match &body.action {
                Action::Anchor(anchor) => {
                    "anchors " (amount::counted(anchor.leaf_count.into(), "record", "records")) " under the root "
                    (name::batch(&anchor.root))
                },
                action => { (name::action(action.kind())) ", which is no anchor" },
            }
        },
        Err(error) => html! { "No transaction: " (error) "." },
    }
}

fn entry(title: &str, entry: &Entry) -> Markup {
    facts(&[
        (title, html! { (name::key_full(&entry.key)) ", " (name::role(entry.role)) }),
        ("Admitted", html! { "at height " (amount::count(entry.admitted)) }),
        (
            "Revoked",
            html! {
                @match entry.revoked { Some(height) => { "at height " (amount::count(height)) }, None => "no" }
            },
        ),
    ])
}
