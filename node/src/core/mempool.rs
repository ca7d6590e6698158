//! Transactions that wait for a block, by sender and sequence.
//!
//! A sender may run ahead of the chain by [`AHEAD_MAX`] sequences and hold no more places than that, the keys of
//! a line of successors together, so that none crowds out the others. A device can do nothing but succeed, so
//! only its next transaction waits; its owner's devices have one quota, or whoever enrols many had many. Anchors
//! are here only with their batch body.

use std::collections::BTreeMap;

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::transaction::{Action, CheckedTransaction, Sender};

use super::event::SubmitError;

/// Sequences that a sender may be ahead of the chain.
const AHEAD_MAX: u64 = 256;
/// Transactions of one holder; as many as one sender may be ahead, so that it binds no sender by itself.
const HOLDER_MAX: u64 = AHEAD_MAX;
/// Transactions in the mempool, those apart that blocks gave back. What waits behind a gap waits for ever, so
/// 79 admitted keys of different lines can fill it together: the admins revoke such keys, and what they sent
/// goes.
const POOL_MAX: usize = 20_000;
/// Transactions of one sender that a template takes at most: the rest waits for the next.
const QUOTA: usize = 64;

/// How a transaction stands to the mempool.
pub(super) enum Admission {
    /// It may enter.
    New,
    /// It is there.
    Here,
    /// Its sequence is behind the chain's: it is included, or another is.
    Past(TxError),
}

/// Where a transaction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A client, or a peer.
    Outside,
    /// A block that left the active chain, or the durable mempool at a start.
    Returned,
}

/// Whether what a transaction that was taken in once is refused for may change by blocks before its own: after
/// a reorganisation its sender may be about to be admitted again, or the admins who approved it elected.
pub(super) fn may_hold_later(state: &State, transaction: &CheckedTransaction, error: &TxError) -> bool {
    match error {
        TxError::SenderUnknown { .. } => true,
        TxError::AdminApprovals { .. } => transaction.body().sequence > state.admins.next_sequence,
        _ => false,
    }
}

/// Who answers for a place in the mempool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// A line of successors, by its first key.
    Line(PublicKey),
    /// The devices of an owner, by the first key of its line.
    Devices(PublicKey),
}

impl Holder {
    /// None of the admins, who answer together for what they approve, or of a key that is not registered.
    fn of(state: &State, sender: Sender) -> Option<Self> {
        let Sender::Key(key) = sender else {
            return None;
        };
        let entry = &state.registry.account(&key)?.entry;
        match entry.role {
            Role::Device => entry.owner.map(Self::Devices),
            Role::Node | Role::Controller | Role::Operator => Some(Self::Line(entry.line())),
        }
    }
}

struct Waiting {
    transaction: CheckedTransaction,
    gossiped_ms: u64,
    /// By the state when it entered: its sender may be unknown to a later one.
    holder: Option<Holder>,
}

#[derive(Default)]
pub(super) struct Mempool {
    waiting: BTreeMap<(Sender, u64), Waiting>,
    /// Places by holder.
    held: BTreeMap<Holder, u64>,
    /// Encoded bytes of all that wait.
    bytes: u64,
}

impl Mempool {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Encoded bytes of all that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The transaction that waits at a place.
    pub(super) fn get(&self, sender: Sender, sequence: u64) -> Option<&CheckedTransaction> {
        self.waiting.get(&(sender, sequence)).map(|waiting| &waiting.transaction)
    }

    /// Whether `transaction` may enter, by the state at the tip. One that leaves with its block may come back
    /// however many of its sender's come back with it.
    pub(super) fn admission(
        &self,
        state: &State,
        transaction: &CheckedTransaction,
        origin: Origin,
    ) -> Result<Admission, SubmitError> {
        let (sender, found) = (transaction.body().sender, transaction.body().sequence);
        let expected = state.check_sender(transaction)?;
        let out_of_sequence = TxError::Sequence { sender, found, expected };
        if found < expected {
            return Ok(Admission::Past(out_of_sequence));
        }
        if let Some(holder) = self.waiting.get(&(sender, found)) {
            let holder = holder.transaction.txid();
            let same = holder == transaction.txid();
            return if same { Ok(Admission::Here) } else { Err(SubmitError::SequenceTaken { holder }) };
        }
        let holder = Holder::of(state, sender);
        let ahead_max = if matches!(holder, Some(Holder::Devices(_))) { 1 } else { AHEAD_MAX };
        match origin {
            Origin::Returned => Ok(Admission::New),
            Origin::Outside if found - expected >= ahead_max => Err(out_of_sequence.into()),
            Origin::Outside if self.waiting.len() >= POOL_MAX => Err(SubmitError::MempoolFull),
            Origin::Outside if holder.is_some_and(|holder| self.is_at_quota(&holder, found == expected)) => {
                Err(SubmitError::MempoolFull)
            }
            Origin::Outside => Ok(Admission::New),
        }
    }

    /// The next transaction of a line's key always has a place: one that came back without its body leaves a gap
    /// before what others of the line hold, and only its sender can close it.
    fn is_at_quota(&self, holder: &Holder, is_next: bool) -> bool {
        let is_exempt = is_next && matches!(holder, Holder::Line(_));
        !is_exempt && self.held.get(holder).is_some_and(|held| *held >= HOLDER_MAX)
    }

    /// Takes a transaction in, in the place of any other at its sequence; `state` is that at the tip.
    pub(super) fn insert(&mut self, state: &State, transaction: CheckedTransaction, now_ms: u64) {
        let body = transaction.body();
        let key = (body.sender, body.sequence);
        self.remove(&key);
        let holder = Holder::of(state, body.sender);
        if let Some(holder) = holder {
            *self.held.entry(holder).or_default() += 1;
        }
        self.bytes += transaction.size() as u64;
        self.waiting.insert(key, Waiting { transaction, gossiped_ms: now_ms, holder });
    }

    fn remove(&mut self, key: &(Sender, u64)) {
        let Some(waiting) = self.waiting.remove(key) else {
            return;
        };
        self.bytes -= waiting.transaction.size() as u64;
        let Some(holder) = waiting.holder else {
            return;
        };
        let held = self.held.get_mut(&holder).expect("counted when it entered");
        *held -= 1;
        if *held == 0 {
            self.held.remove(&holder);
        }
    }

    /// Removes what the state at the tip no longer wants; gives the places that became free.
    pub(super) fn prune(&mut self, state: &State) -> Vec<(Sender, u64)> {
        let stale = |waiting: &Waiting| match state.check_sender(&waiting.transaction) {
            Ok(expected) => waiting.transaction.body().sequence < expected,
            Err(error) => !may_hold_later(state, &waiting.transaction, &error),
        };
        let gone: Vec<_> =
            self.waiting.iter().filter(|(_, waiting)| stale(waiting)).map(|(key, _)| *key).collect();
        for key in &gone {
            self.remove(key);
        }
        gone
    }

    /// Transactions last gossiped before `before_ms`; they count as gossiped at `now_ms`.
    pub(super) fn due(&mut self, before_ms: u64, now_ms: u64, count: usize) -> Vec<CheckedTransaction> {
        let due = self.waiting.values_mut().filter(|waiting| waiting.gossiped_ms < before_ms).take(count);
        due.map(|waiting| {
            waiting.gossiped_ms = now_ms;
            waiting.transaction.clone()
        })
        .collect()
    }

    /// Applies to `draft` what fits into a block: the admins' first, then one of each sender in turn,
    /// so that a flood by one does not hold up the rest.
    ///
    /// A succession of `miner` itself is left to others: it could not make the block that revokes it, and
    /// would wait for ever.
    pub(super) fn select(&self, draft: &mut Draft<'_>, miner: &PublicKey) -> Vec<CheckedTransaction> {
        let mut selection = Selection { draft, chosen: Vec::new(), bytes: 0 };
        let mut queues: BTreeMap<Sender, Vec<&CheckedTransaction>> = BTreeMap::new();
        for ((sender, _), waiting) in self.waiting.iter().rev() {
            queues.entry(*sender).or_default().push(&waiting.transaction);
        }
        for transaction in queues.remove(&Sender::Admins).unwrap_or_default().into_iter().rev() {
            if !selection.take(transaction) {
                break;
            }
        }
        let own = queues.entry(Sender::Key(*miner)).or_default();
        if let Some(at) = own.iter().rposition(|own| matches!(own.body().action, Action::Succeed { .. })) {
            own.drain(..=at);
        }
        for _ in 0..QUOTA {
            queues.retain(|_, queue| queue.pop().is_some_and(|transaction| selection.take(transaction)));
        }
        selection.chosen
    }
}

struct Selection<'a, 'b> {
    draft: &'a mut Draft<'b>,
    chosen: Vec<CheckedTransaction>,
    bytes: usize,
}

impl Selection<'_, '_> {
    /// Whether the transaction fits and may follow; a gap in a sender's sequence ends its turn.
    fn take(&mut self, transaction: &CheckedTransaction) -> bool {
        let fits = self.chosen.len() < BLOCK_TXS_MAX && self.bytes + transaction.size() <= BLOCK_BYTES_MAX;
        let taken = fits && self.draft.apply(transaction).is_ok();
        if taken {
            self.bytes += transaction.size();
            self.chosen.push(transaction.clone());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::governance::{Governance, Tuning};
    use dronechain_chain_spec::hash::Hash256;
    use dronechain_chain_spec::key::SigningKey;
    use dronechain_chain_spec::registry::{Account, Entry, Registry, Roll};
    use dronechain_chain_spec::spec::AdminSet;
    use dronechain_chain_spec::transaction::{Anchor, AnchorKind, PossessionClaim, TransactionBody};

    use super::*;

    const CHAIN_ID: Hash256 = Hash256::ZERO;
    const DEVICES: u16 = 300;

    /// A controller that succeeded itself, with its devices, and another controller.
    struct Scene {
        pool: Mempool,
        state: State,
        line: [SigningKey; 2],
        other: SigningKey,
        devices: Vec<SigningKey>,
    }

    fn key(number: u16) -> SigningKey {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        SigningKey::from_bytes(&seed)
    }

    fn account(key: &SigningKey, role: Role, owner: Option<&SigningKey>) -> Account {
        let entry = Entry::new(PublicKey::of(key), role, owner.map(PublicKey::of), 1);
        Account { entry, next_sequence: 0 }
    }

    fn sent(by: &SigningKey, sequence: u64, action: Action) -> CheckedTransaction {
        let body = TransactionBody { sender: Sender::Key(PublicKey::of(by)), sequence, action };
        body.signed(&[by], &CHAIN_ID).check(&CHAIN_ID).expect("in order")
    }

    fn anchor(by: &SigningKey, sequence: u64) -> CheckedTransaction {
        let (root, leaf_count) = (Hash256::ZERO, 0);
        let anchor = Anchor { kind: AnchorKind::Data, root, leaf_count, first_time: 0, last_time: 0 };
        sent(by, sequence, Action::Anchor(anchor))
    }

    fn succession(by: &SigningKey, sequence: u64) -> CheckedTransaction {
        let successor = key(9_999);
        let (controller, device) = (PublicKey::of(by), PublicKey::of(&successor));
        let claim = PossessionClaim { controller, device, kind: "", area: "" };
        let possession = claim.sign(&successor, &CHAIN_ID);
        sent(by, sequence, Action::Succeed { successor: device, possession })
    }

    impl Scene {
        fn new() -> Self {
            let (line, other) = ([key(1), key(2)], key(3));
            let devices: Vec<_> = (0..DEVICES).map(|number| key(1_000 + number)).collect();
            let mut accounts = vec![
                account(&line[0], Role::Controller, None),
                account(&line[1], Role::Controller, Some(&line[0])),
                account(&other, Role::Controller, None),
            ];
            accounts.extend(devices.iter().map(|device| account(device, Role::Device, Some(&line[0]))));
            let admins = AdminSet { threshold: 1, keys: Vec::new() };
            let tuning = Tuning { block_time_ms: 1_000, finality_depth: 0 };
            let governance = Governance { admins, tuning, planned: None, activations: Vec::new() };
            let state = State::new(governance, Registry::new(Vec::new(), accounts));
            Self { pool: Mempool::default(), state, line, other, devices }
        }

        fn without(&self, gone: &SigningKey) -> State {
            let mut accounts = self.state.registry.accounts(Roll::Accounts).to_vec();
            accounts.retain(|account| account.entry.key != PublicKey::of(gone));
            State::new(self.state.admins.governance.clone(), Registry::new(Vec::new(), accounts))
        }

        fn submit(&mut self, transaction: CheckedTransaction) -> Result<(), SubmitError> {
            self.enter(transaction, Origin::Outside)
        }

        fn enter(&mut self, transaction: CheckedTransaction, origin: Origin) -> Result<(), SubmitError> {
            let admission = self.pool.admission(&self.state, &transaction, origin)?;
            assert!(matches!(admission, Admission::New));
            self.pool.insert(&self.state, transaction, 0);
            Ok(())
        }
    }

    fn out_of_sequence(result: &Result<(), SubmitError>) -> bool {
        matches!(result, Err(SubmitError::Rule(TxError::Sequence { .. })))
    }

    #[test]
    fn only_the_next_transaction_of_a_device_waits() {
        let mut scene = Scene::new();
        for device in scene.devices.clone().iter().take(3) {
            for sequence in [1, 2, 255] {
                assert!(out_of_sequence(&scene.submit(succession(device, sequence))));
            }
            assert_eq!(scene.submit(succession(device, 0)), Ok(()));
            assert!(out_of_sequence(&scene.submit(succession(device, 1))));
        }
        assert_eq!(scene.pool.len(), 3);
    }

    #[test]
    fn devices_of_one_owner_share_a_quota_beside_its_own() {
        let mut scene = Scene::new();
        let taken = |result: &Result<(), SubmitError>| match result {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(*error, SubmitError::MempoolFull);
                false
            }
        };
        let devices = scene.devices.clone();
        let results: Vec<_> = devices.iter().map(|device| scene.submit(succession(device, 0))).collect();
        assert_eq!(results.iter().filter(|result| taken(result)).count() as u64, HOLDER_MAX);
        let (own, other) = (scene.line[1].clone(), scene.other.clone());
        for sequence in 0..AHEAD_MAX {
            assert_eq!(scene.submit(anchor(&own, sequence)), Ok(()));
        }
        assert!(out_of_sequence(&scene.submit(anchor(&own, AHEAD_MAX))));
        assert_eq!(scene.submit(anchor(&other, 0)), Ok(()));
        // One that was included makes room.
        let included = (Sender::Key(PublicKey::of(&devices[0])), 0);
        scene.pool.remove(&included);
        assert_eq!(scene.submit(succession(devices.last().expect("some"), 0)), Ok(()));
    }

    #[test]
    fn a_line_of_successors_has_one_quota_and_what_returns_is_exempt() {
        let mut scene = Scene::new();
        let [old, new] = scene.line.clone();
        // Behind a gap, from a successor that a reorganisation then takes away: they wait for its return.
        for sequence in 1..AHEAD_MAX {
            assert_eq!(scene.submit(anchor(&new, sequence)), Ok(()));
        }
        let without = scene.without(&new);
        assert_eq!(scene.pool.prune(&without), Vec::new());
        scene.state = without;
        assert_eq!(scene.submit(anchor(&old, 1)), Ok(()));
        assert_eq!(scene.submit(anchor(&old, 2)), Err(SubmitError::MempoolFull));
        assert_eq!(scene.submit(anchor(&old, 0)), Ok(()), "the next always has a place");
        assert_eq!(scene.enter(anchor(&old, 2), Origin::Returned), Ok(()));
        assert_eq!(scene.pool.len() as u64, HOLDER_MAX + 2);
        assert_eq!(scene.pool.held.values().copied().collect::<Vec<_>>(), [HOLDER_MAX + 2]);
    }
}
