//! What goes into the core and what comes out.
//!
//! Everything that comes from outside was checked statelessly before (decoded, signatures, Merkle
//! roots) and arrives as a checked type. The time is an argument of `Core::handle`.

use std::fmt;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::evidence::Misbehaviour;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{CheckedHeader, Header};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::{CheckedLink, Link};
use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use dronechain_chain_spec::transaction::{CheckedTransaction, Transaction};
use dronechain_chain_spec::wire::{Request, Status};

use super::view::{BatchId, Rival};

/// A connected peer: a number that the shell gives each connection's peer, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(pub u64);

/// A gossiped message that waits for the core's judgement; numbered by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipId(pub u64);

/// A request that the core made; numbered by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A submission that waits for its answer; numbered by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A batch body whose leaves are as many as wanted and hash to the root, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBody {
    id: BatchId,
    leaves: Vec<Hash256>,
}

/// Why a batch body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Another number of leaves than wanted, or too many.
    #[error("body-size: {found} leaves, wanted {expected}")]
    Size {
        /// Leaves found.
        found: usize,
        /// Leaves wanted.
        expected: u32,
    },
    /// A leaf stands twice.
    #[error("body-duplicate: leaf {0} stands twice")]
    Duplicate(Hash256),
    /// The leaves have another root.
    #[error("body-root: the leaves hash to {found}, wanted {expected}")]
    Root {
        /// Root of the leaves.
        found: Hash256,
        /// Root wanted.
        expected: Hash256,
    },
}

impl CheckedBody {
    /// Checks `leaves` against the batch that they should be.
    pub fn check(id: BatchId, leaves: Vec<Hash256>) -> Result<Self, BodyError> {
        use dronechain_chain_spec::{limits::LEAVES_MAX, merkle};
        let (found, expected) = (leaves.len(), id.leaf_count);
        if found != expected as usize || !(1..=LEAVES_MAX).contains(&expected) {
            return Err(BodyError::Size { found, expected });
        }
        let mut sorted = leaves.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(BodyError::Duplicate(pair[0]));
        }
        let found = merkle::root(&leaves);
        if found != id.root {
            return Err(BodyError::Root { found, expected: id.root });
        }
        Ok(Self { id, leaves })
    }

    /// The body that `leaves` are.
    ///
    /// # Errors
    /// Too many or none, or one twice.
    pub fn of(leaves: Vec<Hash256>) -> Result<Self, BodyError> {
        let root = dronechain_chain_spec::merkle::root(&leaves);
        let leaf_count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        Self::check(BatchId { root, leaf_count }, leaves)
    }

    /// The batch.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// The leaves in order of collection.
    pub fn leaves(&self) -> &[Hash256] {
        &self.leaves
    }

    /// The leaves, given away.
    pub fn into_leaves(self) -> Vec<Hash256> {
        self.leaves
    }
}

/// An answer to one of the core's requests, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The peer's tip.
    Status(Status),
    /// Headers in the order in which they came.
    Headers(Vec<CheckedLink>),
    /// Blocks in the order in which they came.
    Blocks(Vec<CheckedBlock>),
    /// A body; none if the peer lacks it.
    Body(Option<CheckedBody>),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time passed; comes several times a second.
    Tick,
    /// A peer connected.
    Connected(Peer),
    /// A peer is gone; answers to requests made to it will not come.
    Closed(Peer),
    /// A client submitted a transaction; for an anchor with leaves, with its body.
    Submitted {
        /// Whom to answer.
        ticket: Ticket,
        /// The transaction.
        transaction: CheckedTransaction,
        /// The body; the shell compared its root and size with the anchor's.
        body: Option<CheckedBody>,
    },
    /// A peer gossiped a transaction.
    TransactionGossiped {
        /// Who sent it.
        peer: Peer,
        /// What to judge.
        gossip: GossipId,
        /// The transaction.
        transaction: CheckedTransaction,
    },
    /// A peer gossiped a header.
    HeaderGossiped {
        /// Who sent it.
        peer: Peer,
        /// What to judge.
        gossip: GossipId,
        /// The header with what it shows of its block.
        link: CheckedLink,
    },
    /// A peer answered a request.
    Answered {
        /// Who answered.
        peer: Peer,
        /// Which request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// A request came to nothing: time-out, a refusal, or an answer that failed its checks (then
    /// with the fault).
    RequestFailed {
        /// Who was asked.
        peer: Peer,
        /// Which request.
        request: RequestId,
        /// What was wrong with the answer, if one came.
        fault: Option<Fault>,
    },
    /// The miner found a nonce; the header is that of the last template, signed.
    Mined(CheckedHeader),
    /// A miner elsewhere wants a template.
    TemplateWanted {
        /// Whom to answer.
        ticket: Ticket,
        /// The key that it signs with.
        miner: PublicKey,
    },
    /// A miner elsewhere found a nonce; the header is that of a template that it was given, signed.
    FoundElsewhere {
        /// Whom to answer.
        ticket: Ticket,
        /// The header.
        header: CheckedHeader,
    },
    /// The changes taken last are durable.
    Committed,
}

/// What a peer did wrong. Each has its penalty in one place, the shell's peer list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that are no message.
    Undecodable(String),
    /// A header that breaks a rule.
    Header(HeaderError),
    /// A block that breaks a rule.
    Block {
        /// The block.
        hash: Hash256,
        /// The rule.
        error: BlockError,
    },
    /// A transaction that breaks a stateless rule.
    Transaction(TxError),
    /// A batch body that is not what was asked for.
    Body(BodyError),
    /// An answer of another kind, or with what was not asked for.
    Unasked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable(why) => write!(f, "undecodable: {why}"),
            Self::Header(error) => error.fmt(f),
            Self::Block { hash, error } => write!(f, "block {hash}: {error}"),
            Self::Transaction(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
            Self::Unasked => f.write_str("an answer to what was not asked"),
        }
    }
}

/// How gossip is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Drop it, nobody's fault.
    Ignore,
    /// Drop it; the sender is at fault.
    Reject,
}

/// What a submission comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// Durable here and waiting for its block.
    Pending {
        /// The transaction's name.
        txid: Hash256,
        /// Hash and height of the tip when it was taken in, whose chain does not hold it; none while that is too
        /// old to promise anything by it.
        tip: Option<(Hash256, u64)>,
    },
    /// The same bytes are in the active chain already.
    Included {
        /// The transaction's name.
        txid: Hash256,
        /// Height of its block.
        height: u64,
    },
}

/// Why a submission is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// A rule of the ledger.
    #[error("{0}")]
    Rule(#[from] TxError),
    /// Another transaction of this sender holds the sequence.
    #[error("sequence-taken: transaction {holder} holds this sequence")]
    SequenceTaken {
        /// The one that holds it.
        holder: Hash256,
    },
    /// The anchor's body is neither here nor with the submission.
    #[error("body-missing: the batch body {root} is not here")]
    BodyMissing {
        /// Root of the batch tree.
        root: Hash256,
    },
    /// The mempool has no room for this sender; try again later.
    #[error("mempool-full: try again later")]
    MempoolFull,
}

/// What became of a block from a miner elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundBlock {
    /// Its hash.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
}

/// Why a miner elsewhere gets no template, or its block is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MiningError {
    /// A rule of headers: the key is not admitted, not ready, or it is not its turn.
    #[error("{0}")]
    Rule(#[from] HeaderError),
    /// The node knows of more blocks than its tip has.
    #[error("the node is behind its best branch")]
    Behind,
    /// The node mines with this key itself; a second block of the key on one parent would be evidence against it.
    #[error("own-key: the node mines with {miner} itself; start it with --mining-share 0")]
    OwnKey {
        /// The key.
        miner: PublicKey,
    },
    /// No template of this node, or one on an earlier tip.
    #[error("stale-template: the block is of no template on the present tip")]
    Stale,
}

/// What a miner works on: everything but the nonce is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The header, with a zero nonce.
    pub header: Header,
}

/// What the shell is to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer.
    Request {
        /// Whom.
        peer: Peer,
        /// Under which number.
        id: RequestId,
        /// What.
        request: Request,
    },
    /// Gossip a transaction.
    GossipTransaction(Transaction),
    /// Gossip a header.
    GossipHeader(Link),
    /// Judge a gossiped message.
    Judge {
        /// Which.
        gossip: GossipId,
        /// How.
        verdict: Verdict,
    },
    /// Penalise a peer.
    Penalise {
        /// Whom.
        peer: Peer,
        /// For what.
        fault: Fault,
    },
    /// Answer a submission.
    Answer {
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<Submitted, SubmitError>,
    },
    /// Give a miner elsewhere its template.
    GiveTemplate {
        /// Which.
        ticket: Ticket,
        /// What.
        result: Result<Template, MiningError>,
    },
    /// Tell a miner elsewhere what became of its block.
    JudgeFound {
        /// Which.
        ticket: Ticket,
        /// How.
        result: Result<FoundBlock, MiningError>,
    },
    /// Mine on this template from now on; none stops.
    Mine(Option<Template>),
    /// The tip moved; the new one is durable.
    TipMoved {
        /// Its hash.
        hash: Hash256,
        /// Its height.
        height: u64,
        /// Blocks that left the active chain.
        disconnected: u64,
    },
    /// Another chain leaves ours below the finality depth: both sides need an operator.
    FinalityAlarm {
        /// The other chain's first block that is not ours: its name.
        rival: Hash256,
        /// What is known of it.
        known: Rival,
    },
    /// Somebody contradicted itself; the evidence is durable.
    Evidence {
        /// Its name.
        id: Hash256,
        /// Whose signatures contradict each other.
        offenders: Vec<PublicKey>,
        /// What they did.
        misbehaviour: Misbehaviour,
    },
    /// The admins activated a rule that this version does not know: it cannot go on beyond that height.
    UpgradeNeeded {
        /// The rule's number.
        rule: u32,
        /// Height of its activation.
        since: u64,
    },
    /// A peer's clock and ours differ by more than a block may be ahead.
    ClockWarning {
        /// The peer.
        peer: Peer,
        /// Its clock minus ours, in ms.
        difference_ms: i64,
    },
}
