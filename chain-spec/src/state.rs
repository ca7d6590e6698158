//! What the ledger knows at a tip, and how a block changes it.
//!
//! Deciding and writing are apart: a [`Draft`] applies transactions beside a [`State`] and ends in a
//! [`StateDelta`]; [`State::advance`] takes it over and gives the [`Undo`] that
//! [`State::rewind`] needs to disconnect the block again.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::block::CheckedBlock;
use crate::codec::Canonical;
use crate::hash::Hash256;
use crate::key::PublicKey;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::mountain::{Node, Peaks};
use crate::registry::{Account, Commitments, Entry, NodeSet, Place, Registry, Role, Roll};
use crate::rules::{BlockError, TxError};
use crate::spec::AdminSet;
use crate::transaction::{Action, AnchorKind, CheckedTransaction, Enrolment, Sender};

/// The state after a block: admins, registry and history.
#[derive(Debug, Clone)]
pub struct State {
    /// Who administers the network, and their next sequence.
    pub admins: Admins,
    /// Nodes and accounts.
    pub registry: Registry,
    /// Mountain range over the hashes of all blocks up to and including the tip.
    pub history: Peaks,
}

/// The admins with their shared sequence.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Admins {
    /// Threshold and keys.
    pub set: AdminSet,
    /// The sequence that the next admin transaction must have.
    pub next_sequence: u64,
}

impl Canonical for Admins {
    const MAX: usize = 4096;
}

/// What an accepted transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// Recorded without effect: the key is registered already, or was once.
    KeyKnown,
    /// Recorded without effect: there is no such key to revoke, or it is another's.
    NotOwned,
    /// Recorded without effect: the key was revoked before.
    RevokedBefore,
    /// Recorded without effect: the node had announced itself before.
    ReadyBefore,
}

/// What a block changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDelta {
    /// New values of accounts; new places follow the last without a gap.
    pub changes: BTreeMap<Place, Account>,
    /// The admins, if changed.
    pub admins: Option<Admins>,
    /// One outcome a transaction.
    pub outcomes: Vec<Outcome>,
    /// What the block's header commits to.
    pub commitments: Commitments,
    /// The node set after the block, if the block changed it.
    pub node_set: Option<NodeSet>,
}

/// What disconnecting a block needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Undo {
    /// Earlier values of accounts that the block changed.
    pub earlier: Vec<(Place, Account)>,
    /// Length of the roll of nodes before the block.
    pub nodes: u32,
    /// Length of the roll of accounts before the block.
    pub accounts: u32,
    /// The admins before, if the block changed them.
    pub admins: Option<Admins>,
    /// History before the block's own hash was added.
    pub history: Peaks,
}

impl Canonical for Undo {
    const MAX: usize = MESSAGE_BYTES_MAX;
}

impl State {
    /// A state before any block; history is empty.
    pub fn new(set: AdminSet, registry: Registry) -> Self {
        Self { admins: Admins { set, next_sequence: 0 }, registry, history: Peaks::default() }
    }

    /// Whether `sender` may send this transaction, its sequence apart: T11 to T15 of SPEC.md.
    /// Gives the sequence that would be next.
    pub fn check_sender(&self, transaction: &CheckedTransaction) -> Result<u64, TxError> {
        Draft::new(self, 0).check_sender(transaction)
    }

    /// Checks a block's transactions and commitments against this state, that of its parent.
    pub fn execute(&self, block: &CheckedBlock) -> Result<StateDelta, BlockError> {
        let mut draft = Draft::new(self, block.header().header().height);
        for (index, transaction) in block.transactions().iter().enumerate() {
            draft.apply(transaction).map_err(|error| BlockError::Transaction { index, error })?;
        }
        let delta = draft.finish();
        let (found, expected) = (delta.commitments.hash(), block.header().header().commitments);
        if found != expected {
            return Err(BlockError::Commitments { found, expected });
        }
        Ok(delta)
    }

    /// Takes a block's changes over. Gives the undo, and the completed nodes of the mountain range.
    pub fn advance(&mut self, delta: &StateDelta, block: Hash256) -> (Undo, Vec<Node>) {
        let earlier =
            delta.changes.keys().filter_map(|place| Some((*place, self.registry.at(*place)?.clone())));
        let undo = Undo {
            earlier: earlier.collect(),
            nodes: self.registry.len(Roll::Nodes),
            accounts: self.registry.len(Roll::Accounts),
            admins: delta.admins.is_some().then(|| self.admins.clone()),
            history: self.history.clone(),
        };
        self.registry.apply(&delta.changes);
        if let Some(admins) = &delta.admins {
            self.admins = admins.clone();
        }
        let completed = self.history.push(block);
        (undo, completed)
    }

    /// Disconnects the block that `undo` came from; it must be the last that advanced the state.
    pub fn rewind(&mut self, undo: &Undo) {
        self.registry.revert(undo.nodes, undo.accounts, &undo.earlier.iter().cloned().collect());
        if let Some(admins) = &undo.admins {
            self.admins = admins.clone();
        }
        self.history = undo.history.clone();
    }
}

/// Transactions applied beside a state, one after the other.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    state: &'a State,
    height: u64,
    changes: BTreeMap<Place, Account>,
    admitted: BTreeMap<PublicKey, Place>,
    admins: Option<Admins>,
    outcomes: Vec<Outcome>,
}

impl<'a> Draft<'a> {
    /// An empty draft of the block at `height` on `state`, that of its parent.
    pub fn new(state: &'a State, height: u64) -> Self {
        Self {
            state,
            height,
            changes: BTreeMap::new(),
            admitted: BTreeMap::new(),
            admins: None,
            outcomes: Vec::new(),
        }
    }

    fn place(&self, key: &PublicKey) -> Option<Place> {
        self.admitted.get(key).copied().or_else(|| self.state.registry.place(key))
    }

    fn at(&self, place: Place) -> Option<&Account> {
        self.changes.get(&place).or_else(|| self.state.registry.at(place))
    }

    fn account(&self, key: &PublicKey) -> Option<(Place, &Account)> {
        let place = self.place(key)?;
        Some((place, self.at(place)?))
    }

    fn admins(&self) -> &Admins {
        self.admins.as_ref().unwrap_or(&self.state.admins)
    }

    /// T11 to T15; gives the sender's next sequence.
    fn check_sender(&self, transaction: &CheckedTransaction) -> Result<u64, TxError> {
        let body = transaction.body();
        match &body.action {
            Action::SetAdmins { .. }
            | Action::SetParameters { .. }
            | Action::Activate { .. }
            | Action::Succeed { .. } => return Err(TxError::NotActive),
            Action::Admit { .. }
            | Action::Revoke { .. }
            | Action::Enrol(_)
            | Action::RevokeDevice { .. }
            | Action::Ready
            | Action::Anchor(_) => {}
        }
        match body.sender {
            Sender::Admins => {
                self.check_admins(transaction)?;
                Ok(self.admins().next_sequence)
            }
            Sender::Key(sender) => {
                let (_, account) = self.account(&sender).ok_or(TxError::SenderUnknown { sender })?;
                if let Some(height) = account.entry.revoked {
                    return Err(TxError::SenderRevoked { sender, height });
                }
                let role = account.entry.role;
                if role != wanted_role(&body.action) {
                    return Err(TxError::SenderRole { role });
                }
                Ok(account.next_sequence)
            }
        }
    }

    fn check_admins(&self, transaction: &CheckedTransaction) -> Result<(), TxError> {
        let AdminSet { threshold, keys } = &self.admins().set;
        let approvals = &transaction.get().approvals;
        let mut rest = keys.iter();
        // Each approval's key must stand behind the one before it: distinct and in order of index.
        let in_order = approvals.iter().all(|approval| rest.any(|key| *key == approval.key));
        if approvals.len() == *threshold as usize && in_order {
            Ok(())
        } else {
            Err(TxError::AdminApprovals { threshold: *threshold })
        }
    }

    /// Applies the next transaction, or says which rule it breaks and changes nothing.
    pub fn apply(&mut self, transaction: &CheckedTransaction) -> Result<Outcome, TxError> {
        let body = transaction.body();
        let expected = self.check_sender(transaction)?;
        if body.sequence != expected {
            return Err(TxError::Sequence { sender: body.sender, found: body.sequence, expected });
        }
        self.count(body.sender, expected + 1);
        let outcome = self.effect(body.sender, &body.action);
        self.outcomes.push(outcome);
        Ok(outcome)
    }

    fn count(&mut self, sender: Sender, next_sequence: u64) {
        match sender {
            Sender::Admins => self.admins = Some(Admins { next_sequence, ..self.admins().clone() }),
            Sender::Key(key) => {
                let (place, account) = self.account(&key).expect("check_sender found it");
                let account = Account { next_sequence, ..account.clone() };
                self.changes.insert(place, account);
            }
        }
    }

    fn effect(&mut self, sender: Sender, action: &Action) -> Outcome {
        match (action, sender) {
            (Action::Admit { role, key }, _) => self.admit(Entry::new(*key, *role, None, self.height)),
            (Action::Revoke { key, suspect_since }, _) => self.revoke(key, *suspect_since, None),
            (Action::Enrol(Enrolment { device, .. }), Sender::Key(owner)) => {
                self.admit(Entry::new(*device, Role::Device, Some(owner), self.height))
            }
            (Action::RevokeDevice { device, suspect_since }, Sender::Key(owner)) => {
                self.revoke(device, *suspect_since, Some(owner))
            }
            (Action::Ready, Sender::Key(node)) => self.ready(&node),
            (Action::Anchor(_), _) => Outcome::Applied,
            (
                Action::Enrol(_)
                | Action::RevokeDevice { .. }
                | Action::Ready
                | Action::SetAdmins { .. }
                | Action::SetParameters { .. }
                | Action::Activate { .. }
                | Action::Succeed { .. },
                _,
            ) => unreachable!("check_form and check_sender refused it"),
        }
    }

    fn admit(&mut self, entry: Entry) -> Outcome {
        if self.place(&entry.key).is_some() {
            return Outcome::KeyKnown;
        }
        let roll = Roll::of(entry.role);
        let new = self.admitted.values().filter(|place| place.roll == roll).count();
        let index = self.state.registry.len(roll) + u32::try_from(new).expect("a block has few transactions");
        let place = Place { roll, index };
        self.admitted.insert(entry.key, place);
        self.changes.insert(place, Account { entry, next_sequence: 0 });
        Outcome::Applied
    }

    fn revoke(&mut self, key: &PublicKey, suspect_since: u64, owner: Option<PublicKey>) -> Outcome {
        let Some((place, account)) = self.account(key) else {
            return Outcome::NotOwned;
        };
        if owner.is_some() && account.entry.owner != owner {
            return Outcome::NotOwned;
        }
        if account.entry.revoked.is_some() {
            return Outcome::RevokedBefore;
        }
        let mut account = account.clone();
        account.entry.revoked = Some(self.height);
        account.entry.suspect_since = Some(suspect_since.min(self.height));
        self.changes.insert(place, account);
        Outcome::Applied
    }

    fn ready(&mut self, node: &PublicKey) -> Outcome {
        let (place, account) = self.account(node).expect("check_sender found it");
        if account.entry.ready.is_some() {
            return Outcome::ReadyBefore;
        }
        let mut account = account.clone();
        account.entry.ready = Some(self.height);
        self.changes.insert(place, account);
        Outcome::Applied
    }

    /// The node set after the transactions so far.
    pub fn node_set(&self) -> NodeSet {
        let mut set = self.state.registry.node_set();
        for (place, account) in self.changes.iter().filter(|(place, _)| place.roll == Roll::Nodes) {
            match set.0.get_mut(place.index as usize) {
                Some(entry) => *entry = account.entry.clone(),
                None => set.0.push(account.entry.clone()),
            }
        }
        set
    }

    /// Ends the draft: what a block with these transactions changes and commits to.
    pub fn finish(self) -> StateDelta {
        let registry = &self.state.registry;
        let commitments = Commitments {
            history: self.state.history.root(),
            nodes: registry.root_with(Roll::Nodes, &self.changes),
            accounts: registry.root_with(Roll::Accounts, &self.changes),
        };
        let node_set = (commitments.nodes != registry.root(Roll::Nodes)).then(|| self.node_set());
        let Self { changes, admins, outcomes, .. } = self;
        StateDelta { changes, admins, outcomes, commitments, node_set }
    }
}

/// The role whose keys may send an action; admin actions are checked apart.
fn wanted_role(action: &Action) -> Role {
    match action {
        Action::Anchor(anchor) => match anchor.kind {
            AnchorKind::Data | AnchorKind::Command => Role::Controller,
            AnchorKind::Access => Role::Operator,
        },
        Action::Enrol(_) | Action::RevokeDevice { .. } => Role::Controller,
        Action::Ready
        | Action::Admit { .. }
        | Action::Revoke { .. }
        | Action::SetAdmins { .. }
        | Action::SetParameters { .. }
        | Action::Activate { .. }
        | Action::Succeed { .. } => Role::Node,
    }
}
