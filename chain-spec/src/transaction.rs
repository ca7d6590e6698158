//! Transactions: what senders ask of the ledger, and who approved it.
//!
//! `txid = SHA-256(canonical bytes, approvals included)`. Each sender has a gap-free sequence, and
//! the admins share one; (sender, sequence) is a transaction's identity, the txid only its name.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Canonical};
use crate::governance::Tuning;
use crate::hash::{Hash256, sha256};
use crate::key::{PublicKey, Purpose, Signature, SigningKey, sign};
use crate::limits::{
    ADMINS_MAX, BLOCK_TIME_RANGE, DEVICE_AREA_MAX, DEVICE_KIND_MAX, LEAVES_MAX, RULES_MAX, TX_BYTES_MAX,
};
use crate::registry::Role;
use crate::rules::TxError;

/// Who sends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// The admins together.
    Admins,
    /// One registered key.
    Key(PublicKey),
}

/// What an anchor's batch holds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AnchorKind {
    /// Data records, by a controller.
    Data,
    /// Commands, by a controller.
    Command,
    /// Accesses, by an operator.
    Access,
}

/// A batch's commitment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Anchor {
    /// What the batch holds.
    pub kind: AnchorKind,
    /// Root of the batch tree.
    pub root: Hash256,
    /// Number of leaves, 0 to [`LEAVES_MAX`]; 0 (with a zero root) is a heartbeat.
    pub leaf_count: u32,
    /// Claimed time of the first record, ms since 1970 UTC; 0 when unknown. Claims are never checked.
    pub first_time: u64,
    /// Claimed time of the last record, ms since 1970 UTC; 0 when unknown.
    pub last_time: u64,
}

/// A device's enrolment by its controller.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrolment {
    /// The device's key K_DR.
    pub device: PublicKey,
    /// What it is, e.g. `multicopter`; at most [`DEVICE_KIND_MAX`] bytes.
    pub kind: String,
    /// Where it is to operate; at most [`DEVICE_AREA_MAX`] bytes.
    pub area: String,
    /// The device's signature over [`PossessionClaim`].
    pub possession: Signature,
}

/// What a device signs to be enrolled, and a successor to succeed; the preimage names the chain.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct PossessionClaim<'a> {
    /// The controller that may enrol the device; of a successor, the key that it succeeds.
    pub controller: PublicKey,
    /// The device's or successor's key.
    pub device: PublicKey,
    /// The device's kind; empty of a successor.
    pub kind: &'a str,
    /// The device's area; empty of a successor.
    pub area: &'a str,
}

impl PossessionClaim<'_> {
    /// The device's proof that it holds its key and agrees to be enrolled by this controller.
    pub fn sign(&self, device: &SigningKey, chain_id: &Hash256) -> Signature {
        sign(device, Purpose::Possession, chain_id, &codec::encode(self))
    }
}

/// What a transaction does. The order of the variants is the layout: append only.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Admins admit a node, controller or operator.
    Admit {
        /// What the key becomes; never a device.
        role: Role,
        /// The key.
        key: PublicKey,
    },
    /// Admins revoke a node, controller or operator.
    Revoke {
        /// The key.
        key: PublicKey,
        /// Height from which on what it signed is in doubt.
        suspect_since: u64,
    },
    /// Admins replace the admins.
    SetAdmins {
        /// Approvals needed from then on.
        threshold: u32,
        /// The new admins in order of index.
        keys: Vec<PublicKey>,
    },
    /// Admins change parameters from a height on.
    SetParameters {
        /// The new parameters.
        parameters: Tuning,
        /// Height at which they take effect.
        height: u64,
    },
    /// Admins set the activation height of a new rule.
    Activate {
        /// Number of the rule in SPEC.md.
        rule: u32,
        /// Height at which it takes effect.
        height: u64,
    },
    /// A controller enrols a device.
    Enrol(Enrolment),
    /// A controller revokes its device.
    RevokeDevice {
        /// The device's key.
        device: PublicKey,
        /// Height from which on what it signed is in doubt.
        suspect_since: u64,
    },
    /// A key hands its place to a successor: the old key signs the new.
    Succeed {
        /// The new key.
        successor: PublicKey,
        /// The new key's signature over a [`PossessionClaim`] that names the old.
        possession: Signature,
    },
    /// A node announces that it will mine.
    Ready,
    /// A controller or operator anchors a batch.
    Anchor(Anchor),
}

/// What kind of action it is. The numbers are those of the actions' encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ActionKind {
    /// [`Action::Admit`].
    Admit = 0,
    /// [`Action::Revoke`].
    Revoke = 1,
    /// [`Action::SetAdmins`].
    SetAdmins = 2,
    /// [`Action::SetParameters`].
    SetParameters = 3,
    /// [`Action::Activate`].
    Activate = 4,
    /// [`Action::Enrol`].
    Enrol = 5,
    /// [`Action::RevokeDevice`].
    RevokeDevice = 6,
    /// [`Action::Succeed`].
    Succeed = 7,
    /// [`Action::Ready`].
    Ready = 8,
    /// [`Action::Anchor`].
    Anchor = 9,
}

impl Action {
    /// Which kind it is.
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::Admit { .. } => ActionKind::Admit,
            Self::Revoke { .. } => ActionKind::Revoke,
            Self::SetAdmins { .. } => ActionKind::SetAdmins,
            Self::SetParameters { .. } => ActionKind::SetParameters,
            Self::Activate { .. } => ActionKind::Activate,
            Self::Enrol(_) => ActionKind::Enrol,
            Self::RevokeDevice { .. } => ActionKind::RevokeDevice,
            Self::Succeed { .. } => ActionKind::Succeed,
            Self::Ready => ActionKind::Ready,
            Self::Anchor(_) => ActionKind::Anchor,
        }
    }

    /// Whether only the admins may send it.
    pub fn is_admin(&self) -> bool {
        match self {
            Self::Admit { .. }
            | Self::Revoke { .. }
            | Self::SetAdmins { .. }
            | Self::SetParameters { .. }
            | Self::Activate { .. } => true,
            Self::Enrol(_)
            | Self::RevokeDevice { .. }
            | Self::Succeed { .. }
            | Self::Ready
            | Self::Anchor(_) => false,
        }
    }
}

/// The part of a transaction that approvals sign.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TransactionBody {
    /// Who sends it.
    pub sender: Sender,
    /// The sender's next sequence, from 0.
    pub sequence: u64,
    /// What it does.
    pub action: Action,
}

/// One signature under a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approval {
    /// The key that signed.
    pub key: PublicKey,
    /// Its signature over the transaction's body.
    pub signature: Signature,
}

/// A transaction as it travels; unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Transaction {
    /// What is asked.
    pub body: TransactionBody,
    /// The sender's signature; of the admins exactly m, in order of admin index.
    pub approvals: Vec<Approval>,
}

impl Canonical for Transaction {
    const MAX: usize = TX_BYTES_MAX;
}

impl TransactionBody {
    /// One approval by `key`.
    pub fn approve(&self, key: &SigningKey, chain_id: &Hash256) -> Approval {
        let signature = sign(key, Purpose::Transaction, chain_id, &codec::encode(self));
        Approval { key: PublicKey::of(key), signature }
    }

    /// The transaction with approvals by `keys`, in that order.
    pub fn signed(self, keys: &[&SigningKey], chain_id: &Hash256) -> Transaction {
        let approvals = keys.iter().map(|key| self.approve(key, chain_id)).collect();
        Transaction { body: self, approvals }
    }
}

impl Transaction {
    /// SHA-256 of the canonical bytes, approvals included.
    pub fn txid(&self) -> Hash256 {
        sha256(&[&codec::encode(self)])
    }

    /// The stateless rules, cheapest first: T2 to T11 of SPEC.md.
    pub fn check(self, chain_id: &Hash256) -> Result<CheckedTransaction, TxError> {
        let bytes = codec::encode(&self);
        if bytes.len() > TX_BYTES_MAX {
            return Err(TxError::TooLarge { bytes: bytes.len() });
        }
        self.check_form()?;
        self.check_approvals()?;
        self.check_signatures(chain_id)?;
        Ok(CheckedTransaction { txid: sha256(&[&bytes]), size: bytes.len(), transaction: self })
    }

    /// The checked form of a transaction that was checked before, by whoever kept it since.
    pub(crate) fn assume_checked(self) -> CheckedTransaction {
        let bytes = codec::encode(&self);
        CheckedTransaction { txid: sha256(&[&bytes]), size: bytes.len(), transaction: self }
    }

    fn check_form(&self) -> Result<(), TxError> {
        if self.body.action.is_admin() != (self.body.sender == Sender::Admins) {
            return Err(TxError::WrongSender);
        }
        match &self.body.action {
            Action::Admit { role: Role::Device, .. } => Err(TxError::DeviceAdmitted),
            Action::Admit { key, .. } => Ok(key.check()?),
            Action::Enrol(enrolment) => {
                if enrolment.kind.len() > DEVICE_KIND_MAX || enrolment.area.len() > DEVICE_AREA_MAX {
                    return Err(TxError::TextTooLong);
                }
                Ok(enrolment.device.check()?)
            }
            Action::Anchor(anchor) => check_anchor(anchor),
            Action::SetAdmins { threshold, keys } => {
                let sound = (1..=ADMINS_MAX).contains(&keys.len())
                    && (1..=keys.len()).contains(&(*threshold as usize));
                let distinct = keys.iter().collect::<BTreeSet<_>>().len() == keys.len();
                if !sound || !distinct {
                    return Err(TxError::AdminSet);
                }
                keys.iter().try_for_each(|key| Ok(key.check()?))
            }
            Action::SetParameters { parameters: Tuning { block_time_ms, .. }, .. } => {
                let sound = BLOCK_TIME_RANGE.contains(block_time_ms);
                if sound { Ok(()) } else { Err(TxError::Parameters { found: *block_time_ms }) }
            }
            Action::Activate { rule, .. } => {
                let sound = (1..=RULES_MAX).contains(rule);
                if sound { Ok(()) } else { Err(TxError::Parameters { found: u64::from(*rule) }) }
            }
            Action::Succeed { successor, .. } => Ok(successor.check()?),
            Action::Revoke { .. } | Action::RevokeDevice { .. } | Action::Ready => Ok(()),
        }
    }

    fn check_approvals(&self) -> Result<(), TxError> {
        let found = self.approvals.len();
        match self.body.sender {
            Sender::Admins if (1..=ADMINS_MAX).contains(&found) => Ok(()),
            Sender::Key(key) if found == 1 && self.approvals[0].key == key => Ok(()),
            Sender::Admins | Sender::Key(_) => Err(TxError::Approvals { found }),
        }
    }

    fn check_signatures(&self, chain_id: &Hash256) -> Result<(), TxError> {
        let body = codec::encode(&self.body);
        for Approval { key, signature } in &self.approvals {
            key.verify(Purpose::Transaction, chain_id, &body, signature)?;
        }
        let Sender::Key(sender) = self.body.sender else {
            return Ok(());
        };
        let (device, kind, area, possession) = match &self.body.action {
            Action::Enrol(Enrolment { device, kind, area, possession }) => {
                (*device, &**kind, &**area, possession)
            }
            Action::Succeed { successor, possession } => (*successor, "", "", possession),
            _ => return Ok(()),
        };
        let claim = codec::encode(&PossessionClaim { controller: sender, device, kind, area });
        device
            .verify(Purpose::Possession, chain_id, &claim, possession)
            .map_err(|_| TxError::Possession { device })
    }
}

fn check_anchor(anchor: &Anchor) -> Result<(), TxError> {
    let heartbeat = anchor.leaf_count == 0;
    if anchor.leaf_count > LEAVES_MAX || heartbeat != (anchor.root == Hash256::ZERO) {
        return Err(TxError::LeafCount { found: anchor.leaf_count });
    }
    Ok(())
}

/// A transaction that passed every stateless rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTransaction {
    transaction: Transaction,
    txid: Hash256,
    size: usize,
}

impl CheckedTransaction {
    /// The transaction itself.
    pub fn get(&self) -> &Transaction {
        &self.transaction
    }

    /// What is asked.
    pub fn body(&self) -> &TransactionBody {
        &self.transaction.body
    }

    /// The anchor, if it is one.
    pub fn anchor(&self) -> Option<&Anchor> {
        match &self.transaction.body.action {
            Action::Anchor(anchor) => Some(anchor),
            _ => None,
        }
    }

    /// Its name.
    pub fn txid(&self) -> Hash256 {
        self.txid
    }

    /// Bytes of its canonical encoding.
    pub fn size(&self) -> usize {
        self.size
    }
}
