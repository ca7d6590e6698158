//! Receipts held against the node's own chain, and the verdict in words.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::{Document, Existence, Headers as _, Part, Receipt, ReceiptError};
use dronechain_chain_spec::registry::Entry;
use maud::{Markup, html};

use super::page::{facts, mark, sentence};
use super::{amount, moment, name};
use crate::core::view::ViewError;
use crate::rpc::active::ActiveChain;
use crate::store::Store;

/// A document with what became of it.
pub(super) struct Judged {
    /// The receipt, if the document is a whole one.
    pub(super) receipt: Option<Receipt>,
    pub(super) result: Result<Finding, ReceiptError>,
}

/// What a document that holds proves.
pub(super) struct Finding {
    existence: Existence,
    /// Of the sender; none where the document has no room for it.
    sender: Option<Entry>,
    /// s of the spacing rule at the anchor's height.
    majority: u64,
}

/// Verifies a document of any format against the node's chain; `record` is the hash of a record at hand. Blocks.
pub(super) fn judge(store: &Store, bytes: &[u8], record: Option<Hash256>) -> Result<Judged, ViewError> {
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err(error) => return Ok(Judged { receipt: None, result: Err(error) }),
    };
    let chain = ActiveChain::of(store)?;
    let judged = match document {
        Document::Receipt(receipt) => {
            let proven = receipt.verify(&record.unwrap_or(receipt.target), &chain, 1);
            let found = proven.map(|proven| (proven.existence(), Some(proven.sender_entry)));
            (Some(*receipt), found)
        }
        Document::Existence(proof) => {
            let proven = proof.verify(&record.unwrap_or(proof.target()), &chain, 1);
            (None, proven.map(|existence| (existence, None)))
        }
    };
    let (receipt, found) = judged;
    let result = found.map(|(existence, sender)| {
        let majority = chain.spacing(existence.height);
        Finding { existence, sender, majority }
    });
    chain.found(Judged { receipt, result })
}

impl Judged {
    /// The verdict first, in words.
    pub(super) fn told(&self) -> Markup {
        match &self.result {
            Ok(finding) => finding.told(),
            Err(error) => html! {
                div.verdict.bad {
                    p.lead { (mark("bad", "This receipt does not hold")) }
                    p { "What failed: " strong { (part(error.part())) } ". " (sentence(&error.to_string())) }
                }
            },
        }
    }

    /// The part that failed.
    pub(super) fn failed(&self) -> Option<Part> {
        self.result.as_ref().err().map(ReceiptError::part)
    }
}

impl Finding {
    fn told(&self) -> Markup {
        let Existence { target, txid, sender, sequence, anchor, height, block, confirmations, .. } =
            &self.existence;
        let (class, headline, why) = self.class();
        html! {
            div class={ "verdict " (class) } {
                p.lead { (mark(class, headline)) }
                p { (why) }
            }
            (facts(&[
                ("Hash of the record", name::full(target)),
                ("Holds", html! { (name::anchor_kind(anchor.kind)) }),
                ("Existed", html! {
                    @match self.existence.not_later_than_ms {
                        Some(ms) => { "not later than " (moment::at(ms)) },
                        None => { "not later than the block " (self.majority - 1) " above its own, which is not there yet" },
                    }
                }),
                ("Block", html! { (name::height(*height)) " " (name::block_full(block)) }),
                ("Confirmations", html! { (amount::count(*confirmations)) }),
                ("Transaction", name::transaction_full(txid)),
                ("Anchored by", html! { (name::key_full(sender)) ", sequence " (amount::count(*sequence)) }),
                ("Batch", html! { (name::batch_full(&anchor.root)) " of "
                    (amount::counted(anchor.leaf_count.into(), "record", "records")) }),
            ]))
        }
    }

    /// How good it is, in a word for the style, a headline, and a sentence.
    fn class(&self) -> (&'static str, &'static str, String) {
        let Existence { height, confirmations, .. } = &self.existence;
        let Some(sender) = &self.sender else {
            let why = "The proof shows that the record existed. It has no room to show who was entitled to anchor it.";
            return ("warn", "This proof holds, authority unchecked", why.to_owned());
        };
        if sender.suspect_since.is_some_and(|since| since <= *height) {
            let why = "The key that anchored it was revoked, and from before this anchor on what it signed is in doubt.";
            return ("warn", "This receipt holds, but its sender is suspect", why.to_owned());
        }
        if *confirmations < self.majority {
            let why = format!(
                "Its block has {} of the {} that a majority of nodes makes: a reorganisation may still take it away.",
                amount::counted(*confirmations, "confirmation", "confirmations"),
                self.majority
            );
            return ("warn", "This receipt holds, but is fresh", why);
        }
        let why = "Every step from the record's hash to a block of this node's chain holds, and who anchored it was entitled.";
        ("good", "This receipt holds", why.to_owned())
    }
}

/// A part of a receipt in words.
fn part(part: Part) -> &'static str {
    match part {
        Part::Format => "the document itself",
        Part::Record => "the record: it is not the one of the receipt",
        Part::Proof => "the path from the record to the batch's root",
        Part::Transaction => "the anchor transaction",
        Part::BlockPath => "the path from the transaction to the block",
        Part::Header => "the block's header, or its place in the chain",
        Part::Registry => "who was entitled",
    }
}
