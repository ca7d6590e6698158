//! A decision of the admins on its way from one to the next: a file with the transaction and the signatures so far.
//!
//! JSON, so that people can look at it, and strict: it says its format, every field is known, and what is signed is
//! signed for this chain by one of the admins named, each once. Who the admins are is what a node said when the file was
//! made; the network decides when it is submitted.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::governance::Governance;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, Purpose, SigningKey};
use dronechain_chain_spec::limits::ADMINS_MAX;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::spec::AdminSet;
use dronechain_chain_spec::transaction::{Action, Approval, Sender, Transaction, TransactionBody};
use serde::{Deserialize, Serialize};

/// What stands in a file's `format`.
const FORMAT: &str = "dronechain-admin-transaction/1";
/// Bytes of a file.
pub const BYTES_MAX: usize = 64 << 10;

/// Why a file is no good, or not good enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// More bytes than a file may have.
    #[error("{0} bytes, at most {BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not such a file.
    #[error("not an admin transaction: {0}")]
    Malformed(String),
    /// Of a version that this program does not know.
    #[error("format `{0}`, this program reads `{FORMAT}`")]
    Format(String),
    /// Nothing that admins decide.
    #[error("the action is not the admins' to decide")]
    NotAdmins,
    /// A rule of the ledger refuses it whoever signs.
    #[error("{0}")]
    Rule(TxError),
    /// A signature that does not hold.
    #[error("the signature of {0} does not hold: the file was changed after it was signed")]
    Signature(PublicKey),
    /// A key signed that is no admin's.
    #[error("{0} is not an admin of this network")]
    NotAnAdmin(PublicKey),
    /// A key signed twice.
    #[error("{0} has signed already")]
    Duplicate(PublicKey),
    /// Of another network.
    #[error("it is for the network with chain id {found}, not {expected}")]
    Chain {
        /// Chain id in the file.
        found: Hash256,
        /// Chain id wanted.
        expected: Hash256,
    },
    /// The admins have decided something else since.
    #[error("it has sequence {found}, and the admins' next is {next}: another decision took its place")]
    Stale {
        /// Sequence in the file.
        found: u64,
        /// The admins' next.
        next: u64,
    },
    /// Decisions before it are not in the chain yet.
    #[error("it has sequence {found}, and the admins' next is {next}: submit the decisions before it first")]
    Early {
        /// Sequence in the file.
        found: u64,
        /// The admins' next.
        next: u64,
    },
    /// Too few signed.
    #[error("{found} of {wanted} admins have signed")]
    Incomplete {
        /// Admins that signed.
        found: usize,
        /// Signatures wanted.
        wanted: u32,
    },
    /// Two files that are to be joined hold two transactions.
    #[error("the files hold different decisions")]
    Different,
}

/// A transaction of the admins with the signatures so far, at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialTransaction {
    format: String,
    chain_id: Hash256,
    /// The admins when the file was made.
    admins: AdminSet,
    sequence: u64,
    action: Action,
    approvals: Vec<Approval>,
}

impl PartialTransaction {
    /// A decision that nobody has signed yet.
    ///
    /// # Errors
    /// [`PartialError::NotAdmins`].
    pub fn new(
        action: Action,
        sequence: u64,
        admins: AdminSet,
        chain_id: Hash256,
    ) -> Result<Self, PartialError> {
        if !action.is_admin() {
            return Err(PartialError::NotAdmins);
        }
        Ok(Self { format: FORMAT.into(), chain_id, admins, sequence, action, approvals: Vec::new() })
    }

    /// Reads a file and checks all that needs no node.
    ///
    /// # Errors
    /// [`PartialError`]: the form, then the signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, PartialError> {
        if bytes.len() > BYTES_MAX {
            return Err(PartialError::TooLong(bytes.len()));
        }
        let malformed = |error: serde_json::Error| PartialError::Malformed(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
        match value["format"].as_str() {
            Some(FORMAT) => {}
            Some(other) => return Err(PartialError::Format(other.chars().take(2 * FORMAT.len()).collect())),
            None => return Err(PartialError::Malformed("it names no format".into())),
        }
        let partial: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        // Fields within the action that nobody would read.
        if serde_json::to_value(&partial).map_err(malformed)? != value {
            return Err(PartialError::Malformed("it has fields that are not part of it".into()));
        }
        partial.check()?;
        Ok(partial)
    }

    fn check(&self) -> Result<(), PartialError> {
        if !self.action.is_admin() {
            return Err(PartialError::NotAdmins);
        }
        let AdminSet { threshold, keys } = &self.admins;
        if keys.len() > ADMINS_MAX || !(1..=keys.len()).contains(&(*threshold as usize)) {
            return Err(PartialError::Malformed(format!("{threshold} of {} admins", keys.len())));
        }
        let body = codec::encode(&self.body());
        for (at, Approval { key, signature }) in self.approvals.iter().enumerate() {
            self.may_sign(key, &self.approvals[..at])?;
            key.verify(Purpose::Transaction, &self.chain_id, &body, signature)
                .map_err(|_| PartialError::Signature(*key))?;
        }
        self.check_rules()
    }

    fn may_sign(&self, key: &PublicKey, signed: &[Approval]) -> Result<(), PartialError> {
        if !self.admins.keys.contains(key) {
            return Err(PartialError::NotAnAdmin(*key));
        }
        if signed.iter().any(|approval| approval.key == *key) {
            return Err(PartialError::Duplicate(*key));
        }
        Ok(())
    }

    /// What the ledger refuses of any transaction; what nobody signed cannot be asked for.
    fn check_rules(&self) -> Result<(), PartialError> {
        if self.approvals.is_empty() {
            return Ok(());
        }
        let transaction = Transaction { body: self.body(), approvals: self.approvals.clone() };
        transaction.check(&self.chain_id).map(drop).map_err(PartialError::Rule)
    }

    fn body(&self) -> TransactionBody {
        TransactionBody { sender: Sender::Admins, sequence: self.sequence, action: self.action.clone() }
    }

    /// Adds the signature of one more admin.
    ///
    /// # Errors
    /// [`PartialError::NotAnAdmin`], [`PartialError::Duplicate`], [`PartialError::Rule`]; the file is then as before.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), PartialError> {
        self.may_sign(&PublicKey::of(key), &self.approvals)?;
        self.approvals.push(self.body().approve(key, &self.chain_id));
        let ruled = self.check_rules();
        if ruled.is_err() {
            self.approvals.pop();
        }
        ruled
    }

    /// Adds the signatures of another copy.
    ///
    /// # Errors
    /// [`PartialError::Different`].
    pub fn join(&mut self, other: Self) -> Result<(), PartialError> {
        if (self.chain_id, self.body(), &self.admins) != (other.chain_id, other.body(), &other.admins) {
            return Err(PartialError::Different);
        }
        for approval in other.approvals {
            if self.may_sign(&approval.key, &self.approvals).is_ok() {
                self.approvals.push(approval);
            }
        }
        Ok(())
    }

    /// Whether it is of the network `expected`.
    ///
    /// # Errors
    /// [`PartialError::Chain`].
    pub fn check_chain(&self, expected: Hash256) -> Result<(), PartialError> {
        if self.chain_id == expected {
            Ok(())
        } else {
            Err(PartialError::Chain { found: self.chain_id, expected })
        }
    }

    /// Whether the network with the admins' next sequences `next` (in the chain) and `pending` (with what waits) would
    /// take it, were it complete.
    ///
    /// # Errors
    /// [`PartialError::Stale`], [`PartialError::Early`].
    pub fn check_sequence(&self, next: u64, pending: u64) -> Result<(), PartialError> {
        let found = self.sequence;
        if found < next {
            return Err(PartialError::Stale { found, next });
        }
        if found > pending {
            return Err(PartialError::Early { found, next: pending });
        }
        Ok(())
    }

    /// The transaction: as many signatures as `governance` wants, in order of admin index.
    ///
    /// # Errors
    /// [`PartialError::NotAnAdmin`] if the admins are others by now, [`PartialError::Incomplete`].
    pub fn complete(&self, governance: &Governance) -> Result<Transaction, PartialError> {
        let AdminSet { threshold, keys } = &governance.admins;
        let index = |approval: &Approval| {
            let found = keys.iter().position(|key| *key == approval.key);
            found.ok_or(PartialError::NotAnAdmin(approval.key))
        };
        let mut ordered = Vec::with_capacity(self.approvals.len());
        for approval in &self.approvals {
            ordered.push((index(approval)?, approval));
        }
        if ordered.len() < *threshold as usize {
            return Err(PartialError::Incomplete { found: ordered.len(), wanted: *threshold });
        }
        ordered.sort_by_key(|(index, _)| *index);
        let approvals = ordered.into_iter().take(*threshold as usize).map(|(_, approval)| approval.clone());
        Ok(Transaction { body: self.body(), approvals: approvals.collect() })
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("maps of strings, lists and numbers");
        text + "\n"
    }

    /// The network's genesis hash.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }

    /// The admins when the file was made.
    pub fn admins(&self) -> &AdminSet {
        &self.admins
    }

    /// The admins' sequence that it takes.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What is decided.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Who signed, in the order in which they did.
    pub fn signed(&self) -> impl Iterator<Item = PublicKey> {
        self.approvals.iter().map(|approval| approval.key)
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::registry::Role;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// Two of the keys 1 to 3.
    fn admins() -> AdminSet {
        AdminSet { threshold: 2, keys: (1..=3).map(|seed| PublicKey::of(&key(seed))).collect() }
    }

    fn governance() -> Governance {
        let tuning = dronechain_chain_spec::governance::Tuning { block_time_ms: 1_000, finality_depth: 0 };
        Governance { admins: admins(), tuning, planned: None, activations: Vec::new() }
    }

    fn partial() -> PartialTransaction {
        let action = Action::Admit { role: Role::Node, key: PublicKey::of(&key(9)) };
        PartialTransaction::new(action, 4, admins(), Hash256([7; 32])).expect("the admins'")
    }

    #[test]
    fn signatures_are_added_by_file_and_stand_in_order_of_index() {
        let mut partial = partial();
        partial.sign(&key(3)).expect("an admin");
        assert_eq!(partial.complete(&governance()), Err(PartialError::Incomplete { found: 1, wanted: 2 }));
        let mut read = PartialTransaction::parse(partial.to_json().as_bytes()).expect("its own text");
        assert_eq!(read, partial);
        read.sign(&key(1)).expect("an admin");
        let transaction = read.complete(&governance()).expect("two of three");
        let keys: Vec<_> = transaction.approvals.iter().map(|approval| approval.key).collect();
        assert_eq!(keys, [admins().keys[0], admins().keys[2]]);
        transaction.check(&Hash256([7; 32])).expect("signed");
        // One too many is left out.
        read.sign(&key(2)).expect("an admin");
        assert_eq!(read.complete(&governance()).expect("enough").approvals.len(), 2);
    }

    #[test]
    fn copies_signed_apart_are_joined() {
        let (mut one, mut other) = (partial(), partial());
        one.sign(&key(1)).expect("an admin");
        other.sign(&key(2)).expect("an admin");
        one.join(other.clone()).expect("the same decision");
        one.join(other).expect("again: nothing new");
        assert_eq!(one.signed().count(), 2);
        let mut different = partial();
        different.sequence = 5;
        assert_eq!(one.join(different), Err(PartialError::Different));
    }

    #[test]
    fn strangers_and_second_signatures_are_refused() {
        let mut partial = partial();
        let (stranger, first) = (PublicKey::of(&key(7)), PublicKey::of(&key(1)));
        assert_eq!(partial.sign(&key(7)), Err(PartialError::NotAnAdmin(stranger)));
        partial.sign(&key(1)).expect("an admin");
        assert_eq!(partial.sign(&key(1)), Err(PartialError::Duplicate(first)));
        let mut twice = partial.clone();
        twice.approvals.push(twice.approvals[0].clone());
        let read = PartialTransaction::parse(twice.to_json().as_bytes());
        assert_eq!(read, Err(PartialError::Duplicate(first)));
    }

    #[test]
    fn what_was_changed_after_signing_or_is_no_such_file_is_refused() {
        let mut signed = partial();
        signed.sign(&key(1)).expect("an admin");
        let text = signed.to_json();
        let first = PublicKey::of(&key(1));
        let parse = |text: &str| PartialTransaction::parse(text.as_bytes());
        let other = text.replace("\"node\"", "\"operator\"");
        assert_eq!(parse(&other), Err(PartialError::Signature(first)));
        assert_eq!(
            parse(&text.replace("\"sequence\": 4", "\"sequence\": 5")),
            Err(PartialError::Signature(first))
        );
        assert!(matches!(
            parse(&text.replace("transaction/1", "transaction/2")),
            Err(PartialError::Format(_))
        ));
        for broken in [
            text.replace("\"role\"", "\"note\": 1, \"role\""),
            text.replacen('{', "{ \"note\": 1,", 1),
            text.replacen('{', "{ \"sequence\": 4,", 1),
            text.replace("\"threshold\": 2", "\"threshold\": 4"),
            text.replace(']', ""),
            String::from("{}"),
        ] {
            assert!(matches!(parse(&broken), Err(PartialError::Malformed(_))), "{broken}");
        }
        assert_eq!(parse(&" ".repeat(BYTES_MAX + 1)), Err(PartialError::TooLong(BYTES_MAX + 1)));
    }

    #[test]
    fn another_network_and_sequences_that_passed_are_told() {
        let partial = partial();
        let (found, expected) = (Hash256([7; 32]), Hash256([8; 32]));
        assert_eq!(partial.check_chain(expected), Err(PartialError::Chain { found, expected }));
        assert_eq!(partial.check_sequence(5, 6), Err(PartialError::Stale { found: 4, next: 5 }));
        assert_eq!(partial.check_sequence(2, 3), Err(PartialError::Early { found: 4, next: 3 }));
        assert_eq!(partial.check_sequence(3, 4), Ok(()));
        let mut others = governance();
        others.admins.keys.truncate(2);
        let mut signed = partial;
        signed.sign(&key(3)).expect("an admin");
        assert_eq!(signed.complete(&others), Err(PartialError::NotAnAdmin(PublicKey::of(&key(3)))));
    }
}
