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
use crate::governance::{Activation, Governance, Planned};
use crate::hash::Hash256;
use crate::key::PublicKey;
use crate::limits::{LINE_MAX, MESSAGE_BYTES_MAX, NODES_MAX};
use crate::merkle;
use crate::mountain::{Node, Peaks};
use crate::registry::{Account, Commitments, Entry, NodeSet, Place, Registry, Role, Roll};
use crate::roster::{ChangeFault, Roster};
use crate::rules::{BlockError, TxError};
use crate::spec::AdminSet;
use crate::transaction::{Action, AnchorKind, CheckedTransaction, Enrolment, Sender, TransactionBody};

/// The state after a block: governance, registry and history.
#[derive(Debug, Clone)]
pub struct State {
    /// Governance, and the admins' next sequence.
    pub admins: Admins,
    /// Nodes and accounts.
    pub registry: Registry,
    /// Mountain range over the hashes of all blocks up to and including the tip.
    pub history: Peaks,
}

/// Governance with what the ledger keeps beside it, uncommitted: the admins' shared sequence.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Admins {
    /// The committed part.
    pub governance: Governance,
    /// The sequence that the next admin transaction must have.
    pub next_sequence: u64,
}

impl Canonical for Admins {
    const MAX: usize = Governance::MAX + 8;
}

/// What an accepted transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Recorded without effect: the height it names is not above its own block's, or what it would
    /// change has taken effect.
    TooLate,
    /// Recorded without effect: the roll of nodes, or a node's line of successors, has no place left.
    RollFull,
}

/// What a block changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDelta {
    /// New values of accounts; new places follow the last without a gap.
    pub changes: BTreeMap<Place, Account>,
    /// Governance and the admins' sequence, if changed.
    pub admins: Option<Admins>,
    /// One outcome a transaction.
    pub outcomes: Vec<Outcome>,
    /// What the block's header commits to.
    pub commitments: Commitments,
    /// Indices of the transactions that changed governance or nodes, ascending: light clients see them.
    pub shown: Vec<u32>,
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
    pub fn new(governance: Governance, registry: Registry) -> Self {
        Self { admins: Admins { governance, next_sequence: 0 }, registry, history: Peaks::default() }
    }

    /// The committed root over governance and nodes.
    pub fn nodes_root(&self) -> Hash256 {
        let leaf = self.admins.governance.leaf();
        let leaves = std::iter::once(leaf).chain(self.registry.leaves(Roll::Nodes).iter().copied());
        merkle::root(&leaves.collect::<Vec<_>>())
    }

    /// What the headers of the next blocks are held to.
    pub fn roster(&self) -> Roster {
        let Admins { governance, next_sequence } = self.admins.clone();
        Roster { governance, nodes: self.registry.node_set(), admin_sequence: next_sequence }
    }

    /// Whether `sender` may send this transaction, its sequence apart: T12 to T15 of SPEC.md.
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
    shown: Vec<u32>,
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
            shown: Vec::new(),
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

    /// T12 to T15; gives the sender's next sequence.
    fn check_sender(&self, transaction: &CheckedTransaction) -> Result<u64, TxError> {
        let body = transaction.body();
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
                if wanted_role(&body.action).is_some_and(|wanted| role != wanted) {
                    return Err(TxError::SenderRole { role });
                }
                Ok(account.next_sequence)
            }
        }
    }

    fn check_admins(&self, transaction: &CheckedTransaction) -> Result<(), TxError> {
        let AdminSet { threshold, keys } = &self.admins().governance.admins;
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
        let index = u32::try_from(self.outcomes.len()).expect("a block has few transactions");
        let (outcome, is_shown) = self.take(body);
        self.outcomes.push(outcome);
        if is_shown {
            self.shown.push(index);
        }
        Ok(outcome)
    }

    /// Applies a transaction that a header's sender shows to whoever has no state: as [`Self::apply`], but
    /// sequences that others took in between are not known, and it must change governance or nodes.
    pub(crate) fn follow(&mut self, transaction: &CheckedTransaction) -> Result<(), ChangeFault> {
        let body = transaction.body();
        let expected = self.check_sender(transaction)?;
        if body.sequence < expected {
            return Err(TxError::Sequence { sender: body.sender, found: body.sequence, expected }.into());
        }
        match self.take(body) {
            (Outcome::Applied, true) => Ok(()),
            (outcome, _) => Err(ChangeFault::NoEffect(outcome)),
        }
    }

    /// The outcome, and whether governance or nodes changed.
    fn take(&mut self, body: &TransactionBody) -> (Outcome, bool) {
        // A header may show any sequence (`follow`); nobody reaches the last by counting.
        self.count(body.sender, body.sequence.saturating_add(1));
        let outcome = self.effect(body.sender, &body.action);
        let on_nodes = |key: &PublicKey| self.place(key).is_some_and(|place| place.roll == Roll::Nodes);
        let is_shown = match &body.action {
            Action::SetAdmins { .. } | Action::SetParameters { .. } | Action::Activate { .. } => true,
            Action::Admit { key, .. } | Action::Revoke { key, .. } => on_nodes(key),
            Action::Succeed { successor, .. } => on_nodes(successor),
            Action::Ready => true,
            Action::Enrol(_) | Action::RevokeDevice { .. } | Action::Anchor(_) => false,
        };
        (outcome, is_shown && outcome == Outcome::Applied)
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
            (Action::Admit { role, key }, Sender::Admins) => {
                self.admit(Entry::new(*key, *role, None, self.height))
            }
            (Action::Revoke { key, suspect_since }, Sender::Admins) => self.revoke(key, *suspect_since, None),
            (Action::SetAdmins { threshold, keys }, Sender::Admins) => {
                self.governance_mut().admins = AdminSet { threshold: *threshold, keys: keys.clone() };
                Outcome::Applied
            }
            (Action::SetParameters { parameters, height }, Sender::Admins) => {
                let (planned, now) = (Planned { tuning: *parameters, height: *height }, self.height);
                self.governance_mut().plan(planned, now)
            }
            (Action::Activate { rule, height }, Sender::Admins) => {
                let (activation, now) = (Activation { rule: *rule, height: *height }, self.height);
                self.governance_mut().activate(activation, now)
            }
            (Action::Enrol(Enrolment { device, .. }), Sender::Key(controller)) => {
                let owner = self.line(&controller);
                self.admit(Entry::new(*device, Role::Device, Some(owner), self.height))
            }
            (Action::RevokeDevice { device, suspect_since }, Sender::Key(controller)) => {
                self.revoke(device, *suspect_since, Some(self.line(&controller)))
            }
            (Action::Succeed { successor, .. }, Sender::Key(key)) => self.succeed(&key, *successor),
            (Action::Ready, Sender::Key(node)) => self.ready(&node),
            (Action::Anchor(_), _) => Outcome::Applied,
            (
                Action::Admit { .. }
                | Action::Revoke { .. }
                | Action::SetAdmins { .. }
                | Action::SetParameters { .. }
                | Action::Activate { .. }
                | Action::Enrol(_)
                | Action::RevokeDevice { .. }
                | Action::Succeed { .. }
                | Action::Ready,
                _,
            ) => unreachable!("check_form refused it"),
        }
    }

    fn governance_mut(&mut self) -> &mut Governance {
        &mut self.admins.as_mut().expect("the admins' sequence was counted").governance
    }

    fn line(&self, key: &PublicKey) -> PublicKey {
        self.account(key).expect("check_sender found it").1.entry.line()
    }

    fn admit(&mut self, entry: Entry) -> Outcome {
        if self.place(&entry.key).is_some() {
            return Outcome::KeyKnown;
        }
        let roll = Roll::of(entry.role);
        let new = self.admitted.values().filter(|place| place.roll == roll).count();
        let index = self.state.registry.len(roll) + u32::try_from(new).expect("a block has few transactions");
        if roll == Roll::Nodes && index as usize >= NODES_MAX {
            return Outcome::RollFull;
        }
        let place = Place { roll, index };
        self.admitted.insert(entry.key, place);
        self.changes.insert(place, Account { entry, next_sequence: 0 });
        Outcome::Applied
    }

    /// The successor stands for its predecessor: same role and owner, mining if it did.
    fn succeed(&mut self, key: &PublicKey, successor: PublicKey) -> Outcome {
        let old = self.account(key).expect("check_sender found it").1.entry.clone();
        if old.role == Role::Node && self.node_set().line(key).len() >= LINE_MAX {
            return Outcome::RollFull;
        }
        let owner = if old.role == Role::Device { old.owner } else { Some(old.line()) };
        // Ready as long as the old key: n of the spacing rule is the same at every height, so that nodes
        // cannot lower s by succeeding.
        let entry = Entry { ready: old.ready, ..Entry::new(successor, old.role, owner, self.height) };
        let outcome = self.admit(entry);
        if outcome == Outcome::Applied {
            self.revoke(key, self.height, None);
        }
        outcome
    }

    fn revoke(&mut self, key: &PublicKey, suspect_since: u64, owner: Option<PublicKey>) -> Outcome {
        let Some((place, account)) = self.account(key) else {
            return Outcome::NotOwned;
        };
        let is_owned = account.entry.role == Role::Device && account.entry.owner == owner;
        if owner.is_some() && !is_owned {
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

    /// What the headers behind a block with the transactions so far are held to.
    pub fn roster(&self) -> Roster {
        let Admins { governance, next_sequence } = self.admins().clone();
        Roster { governance, nodes: self.node_set(), admin_sequence: next_sequence }
    }

    /// Ends the draft: what a block with these transactions changes and commits to.
    pub fn finish(self) -> StateDelta {
        let registry = &self.state.registry;
        let nodes = if self.shown.is_empty() { self.state.nodes_root() } else { self.roster().root() };
        let accounts = registry.root_with(Roll::Accounts, &self.changes);
        let commitments = Commitments { history: self.state.history.root(), nodes, accounts };
        let Self { changes, admins, outcomes, shown, .. } = self;
        StateDelta { changes, admins, outcomes, commitments, shown }
    }
}

/// The role whose keys may send an action; none: any registered key. Admins' actions are checked apart.
const fn wanted_role(action: &Action) -> Option<Role> {
    match action {
        Action::Anchor(anchor) => match anchor.kind {
            AnchorKind::Data | AnchorKind::Command => Some(Role::Controller),
            AnchorKind::Access => Some(Role::Operator),
        },
        Action::Enrol(_) | Action::RevokeDevice { .. } => Some(Role::Controller),
        Action::Ready => Some(Role::Node),
        Action::Succeed { .. }
        | Action::Admit { .. }
        | Action::Revoke { .. }
        | Action::SetAdmins { .. }
        | Action::SetParameters { .. }
        | Action::Activate { .. } => None,
    }
}
