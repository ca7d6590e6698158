//! Who may do what: entries of nodes and of accounts, in order of admission.
//!
//! The entries are committed in every header (`commitments`), so that a receipt can carry proof of
//! who was entitled and a light client can follow the set of miners. `ready` is part of the
//! committed entry because the spacing rule counts it: without it a light client could not know n.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::{self, Canonical};
use crate::hash::{Hash256, sha256};
use crate::key::PublicKey;
use crate::limits::NODES_MAX;
use crate::merkle;
use crate::rules::HeaderError;

/// What a key was admitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Mines and serves; its key is also its peer identity.
    Node,
    /// Anchors data and commands, enrols devices.
    Controller,
    /// A cloud server or auditor: anchors accesses.
    Operator,
    /// A drone or other device: signs records.
    Device,
}

/// A committed registry entry. Heights are those of the blocks that changed it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The admitted key.
    pub key: PublicKey,
    /// Its role.
    #[serde(deserialize_with = "role_by_name")]
    pub role: Role,
    /// Of a device: the first key of the controller that enrolled it. Of others: the first key of a line
    /// of successors; none for a key that succeeded nobody.
    pub owner: Option<PublicKey>,
    /// Height of admission; 0 for what the chain spec names.
    pub admitted: u64,
    /// Height at which a node, or the first of its line to do so, announced that it is ready to mine.
    pub ready: Option<u64>,
    /// Height from which on what the key signed is in doubt, as claimed by its revocation.
    pub suspect_since: Option<u64>,
    /// Height of revocation.
    pub revoked: Option<u64>,
}

/// Serde by itself reads `{"node": null}` as a role too.
fn role_by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let name = Cow::<'de, str>::deserialize(deserializer)?;
    Role::deserialize(name.into_deserializer())
}

impl Canonical for Entry {
    const MAX: usize = 32 + 4 + 33 + 8 + 3 * 9;
}

impl Entry {
    /// An entry of `key` as of its admission.
    pub fn new(key: PublicKey, role: Role, owner: Option<PublicKey>, admitted: u64) -> Self {
        Self { key, role, owner, admitted, ready: None, suspect_since: None, revoked: None }
    }

    /// The leaf under which the entry is committed: SHA-256 of a zero byte and the canonical encoding.
    ///
    /// The number of entries is not committed, so a path cannot be held to a shape. It need not be: no
    /// encoding has 63 bytes, so nothing hashed here has the 64 bytes of an inner node. Without the zero
    /// byte, entries whose encoding has 64 bytes could be passed off as inner nodes, and the reverse.
    pub fn leaf(&self) -> Hash256 {
        sha256(&[&[0], &codec::encode(self)])
    }

    /// The first key of the line of successors that the entry's key belongs to; a device's own key.
    pub fn line(&self) -> PublicKey {
        match self.role {
            Role::Device => self.key,
            Role::Node | Role::Controller | Role::Operator => self.owner.unwrap_or(self.key),
        }
    }

    /// Whether the node counts as a miner for the block at `height`: ready before it and not revoked up to
    /// it. A successor is ready as its predecessor was, so it counts at once and n stays as it is.
    pub fn counts(&self, height: u64) -> bool {
        self.role == Role::Node && self.revoked.is_none() && self.ready.is_some_and(|ready| ready < height)
    }

    /// Whether the node may make the block at `height`: it counts, and was admitted before.
    pub fn may_mine(&self, height: u64) -> bool {
        self.counts(height) && self.admitted < height
    }
}

/// All node entries after a block's transactions, in order of admission.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Default)]
pub struct NodeSet(pub Vec<Entry>);

impl Canonical for NodeSet {
    const MAX: usize = 8 + NODES_MAX * Entry::MAX;
}

impl NodeSet {
    /// The entry of `key`.
    pub fn entry(&self, key: &PublicKey) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == *key)
    }

    /// H13 and H14: whether `miner` may make the block at `height` by this set.
    pub fn check_member(&self, miner: PublicKey, height: u64) -> Result<(), HeaderError> {
        let entry = self.entry(&miner).ok_or(HeaderError::MinerNotAdmitted { miner })?;
        if entry.may_mine(height) { Ok(()) } else { Err(HeaderError::MinerNotReady { miner, height }) }
    }

    /// H13 to H15: whether it is the turn of `miner` to make the block at `height`, were this the set after it; a
    /// key and those that it succeeded are one miner. `miners` yields the miners before it, newest first.
    pub fn check_turn(
        &self,
        miner: PublicKey,
        height: u64,
        miners: impl Iterator<Item = PublicKey>,
    ) -> Result<(), HeaderError> {
        self.check_member(miner, height)?;
        let spacing = self.spacing(height);
        let before = usize::try_from(spacing - 1).expect("nodes are counted in u32");
        let line = self.line(&miner);
        match miners.take(before).position(|earlier| line.contains(&earlier)) {
            Some(at) => {
                Err(HeaderError::MinerOutOfTurn { miner, height, earlier: height - 1 - at as u64, spacing })
            }
            None => Ok(()),
        }
    }

    /// The keys of one line of successors, `key` among them: the spacing rule counts them as one miner.
    pub fn line(&self, key: &PublicKey) -> Vec<PublicKey> {
        let line = self.entry(key).map_or(*key, Entry::line);
        self.0.iter().filter(|entry| entry.line() == line).map(|entry| entry.key).collect()
    }

    /// s = floor(n/2) + 1 of the spacing rule for the block at `height`; the set is the one after that block.
    pub fn spacing(&self, height: u64) -> u64 {
        spacing(self.0.iter(), height)
    }
}

fn spacing<'a>(entries: impl Iterator<Item = &'a Entry>, height: u64) -> u64 {
    entries.filter(|entry| entry.counts(height)).count() as u64 / 2 + 1
}

/// What `commitments` in a header is the hash of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Commitments {
    /// Root of the mountain range over all earlier block hashes.
    pub history: Hash256,
    /// Root over governance and the node entries after the block's transactions.
    pub nodes: Hash256,
    /// Root over the account entries after the block's transactions.
    pub accounts: Hash256,
}

impl Commitments {
    /// `SHA-256(history ++ nodes ++ accounts)`.
    pub fn hash(&self) -> Hash256 {
        sha256(&[&self.history.0, &self.nodes.0, &self.accounts.0])
    }
}

/// An entry with what the ledger keeps beside it, uncommitted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// The committed part.
    pub entry: Entry,
    /// The sequence that this sender's next transaction must have.
    pub next_sequence: u64,
}

impl Canonical for Account {
    const MAX: usize = Entry::MAX + 8;
}

/// Where an account stands: in which roll, and its index in order of admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Place {
    /// Which of the two rolls.
    pub roll: Roll,
    /// Index in order of admission.
    pub index: u32,
}

/// The two rolls of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Roll {
    /// Nodes.
    Nodes,
    /// Controllers, operators and devices.
    Accounts,
}

impl Roll {
    /// The roll on which keys of `role` stand.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Node => Self::Nodes,
            Role::Controller | Role::Operator | Role::Device => Self::Accounts,
        }
    }
}

/// One roll with its leaf hashes and root kept up to date.
#[derive(Debug, Clone, Default)]
struct Rolled {
    accounts: Vec<Account>,
    leaves: Vec<Hash256>,
    root: Hash256,
}

impl Rolled {
    fn refresh(&mut self, touched: bool) {
        if touched {
            self.root = merkle::root(&self.leaves);
        }
    }
}

/// The registry at one tip, in memory.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    nodes: Rolled,
    accounts: Rolled,
    places: BTreeMap<PublicKey, Place>,
}

impl Registry {
    /// A registry from its rolls, as a store keeps them.
    pub fn new(nodes: Vec<Account>, accounts: Vec<Account>) -> Self {
        let mut registry = Self::default();
        let rolls = [(Roll::Nodes, nodes), (Roll::Accounts, accounts)];
        for (roll, list) in rolls {
            for (index, account) in (0..).zip(list) {
                registry.put(Place { roll, index }, account);
            }
        }
        registry.nodes.refresh(true);
        registry.accounts.refresh(true);
        registry
    }

    fn rolled(&self, roll: Roll) -> &Rolled {
        match roll {
            Roll::Nodes => &self.nodes,
            Roll::Accounts => &self.accounts,
        }
    }

    fn rolled_mut(&mut self, roll: Roll) -> &mut Rolled {
        match roll {
            Roll::Nodes => &mut self.nodes,
            Roll::Accounts => &mut self.accounts,
        }
    }

    /// Number of accounts on a roll.
    pub fn len(&self, roll: Roll) -> u32 {
        u32::try_from(self.rolled(roll).accounts.len()).expect("indices are u32")
    }

    /// Whether a roll is empty.
    pub fn is_empty(&self, roll: Roll) -> bool {
        self.rolled(roll).accounts.is_empty()
    }

    /// The accounts of a roll in order of admission.
    pub fn accounts(&self, roll: Roll) -> &[Account] {
        &self.rolled(roll).accounts
    }

    /// The committed leaves of a roll in order of admission.
    pub fn leaves(&self, roll: Roll) -> &[Hash256] {
        &self.rolled(roll).leaves
    }

    /// The committed root of a roll.
    pub fn root(&self, roll: Roll) -> Hash256 {
        self.rolled(roll).root
    }

    /// The root of a roll if `changes` were applied to it.
    pub fn root_with(&self, roll: Roll, changes: &BTreeMap<Place, Account>) -> Hash256 {
        let rolled = self.rolled(roll);
        let mut leaves = None;
        for (place, account) in changes.iter().filter(|(place, _)| place.roll == roll) {
            let leaf = account.entry.leaf();
            if rolled.leaves.get(place.index as usize) != Some(&leaf) {
                let leaves = leaves.get_or_insert_with(|| rolled.leaves.clone());
                match leaves.get_mut(place.index as usize) {
                    Some(old) => *old = leaf,
                    None => leaves.push(leaf),
                }
            }
        }
        leaves.map_or(rolled.root, |leaves| merkle::root(&leaves))
    }

    /// Where `key` stands.
    pub fn place(&self, key: &PublicKey) -> Option<Place> {
        self.places.get(key).copied()
    }

    /// The account at `place`.
    pub fn at(&self, place: Place) -> Option<&Account> {
        self.rolled(place.roll).accounts.get(place.index as usize)
    }

    /// The account of `key`.
    pub fn account(&self, key: &PublicKey) -> Option<&Account> {
        self.place(key).and_then(|place| self.at(place))
    }

    /// The node entries as a set of their own.
    pub fn node_set(&self) -> NodeSet {
        NodeSet(self.nodes.accounts.iter().map(|account| account.entry.clone()).collect())
    }

    /// s of the spacing rule for the block at `height`, were this the registry after it.
    pub fn spacing(&self, height: u64) -> u64 {
        spacing(self.nodes.accounts.iter().map(|account| &account.entry), height)
    }

    fn put(&mut self, place: Place, account: Account) {
        let leaf = account.entry.leaf();
        self.places.insert(account.entry.key, place);
        let rolled = self.rolled_mut(place.roll);
        let index = place.index as usize;
        if index == rolled.accounts.len() {
            rolled.accounts.push(account);
            rolled.leaves.push(leaf);
        } else {
            rolled.accounts[index] = account;
            rolled.leaves[index] = leaf;
        }
    }

    /// Writes `changes` in order; new places follow the last without a gap.
    pub(crate) fn apply(&mut self, changes: &BTreeMap<Place, Account>) {
        let mut touched = [false; 2];
        for (place, account) in changes {
            let old = self.at(*place).map(|old| &old.entry);
            touched[place.roll as usize] |= old != Some(&account.entry);
            self.put(*place, account.clone());
        }
        self.nodes.refresh(touched[0]);
        self.accounts.refresh(touched[1]);
    }

    /// Cuts both rolls to the given lengths, then writes the earlier values back.
    pub(crate) fn revert(&mut self, nodes: u32, accounts: u32, earlier: &BTreeMap<Place, Account>) {
        for (roll, len) in [(Roll::Nodes, nodes as usize), (Roll::Accounts, accounts as usize)] {
            let rolled = self.rolled_mut(roll);
            let cut: Vec<_> = rolled.accounts.drain(len..).map(|account| account.entry.key).collect();
            rolled.leaves.truncate(len);
            rolled.refresh(!cut.is_empty());
            for key in cut {
                self.places.remove(&key);
            }
        }
        self.apply(earlier);
    }
}
