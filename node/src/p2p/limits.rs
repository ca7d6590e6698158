//! Every bound of the peer-to-peer layer, in one place.

use std::time::Duration;

use dronechain_chain_spec::codec::Canonical;
use dronechain_chain_spec::limits::TX_BYTES_MAX;
use dronechain_chain_spec::wire::{Request, Response};

/// Connections in all: every node of a network of 256 may be connected twice.
pub(super) const CONNECTIONS_MAX: u32 = 512;
/// Connections that others opened. The rest is left for those that this node opens, so that nobody
/// can fill all places.
pub(super) const CONNECTIONS_IN_MAX: u32 = 384;
/// Connections whose handshake goes on, in each direction.
pub(super) const HANDSHAKES_MAX: u32 = 64;
/// Connections of one peer: both sides may dial at once, and an old one may linger.
pub(super) const CONNECTIONS_PER_PEER_MAX: u32 = 3;
/// Streams of one connection.
pub(super) const STREAMS_MAX: usize = 64;
/// Streams of one connection whose protocol is being agreed on.
pub(super) const STREAMS_NEGOTIATING_MAX: usize = 32;
/// Requests of both directions that one connection carries at a time.
pub(super) const ASK_STREAMS_MAX: usize = 32;
/// A connection without a stream is closed after this long.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a connection's handshake may take.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the listener may take to come up.
pub(super) const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an encoded request.
pub(super) const REQUEST_BYTES_MAX: usize = Request::MAX;
/// Bytes of an encoded answer.
pub(super) const RESPONSE_BYTES_MAX: usize = Response::MAX;
/// A frame is read in pieces of this many bytes, so that memory follows what arrived.
pub(super) const FRAME_CHUNK: usize = 64 << 10;
/// How long an answer may take, from opening the stream to its last byte.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Own requests to one peer that wait for their answers.
pub(super) const REQUESTS_PER_PEER_MAX: usize = 16;
/// One peer's requests in service, each until its answer is sent.
pub(super) const SERVED_PER_PEER_MAX: usize = 4;
/// Requests in service of all peers together; each may hold an answer in memory.
pub(super) const SERVED_MAX: usize = 32;

/// Bytes of a gossip frame: one transaction, or header with what it shows, and its envelope.
pub(super) const GOSSIP_BYTES_MAX: usize = TX_BYTES_MAX + 1024;
/// Gossip frames that wait to be sent to one peer.
pub(super) const GOSSIP_SEND_QUEUE: usize = 1024;
/// Messages of one gossip frame.
pub(super) const GOSSIP_MESSAGES_MAX: usize = 256;
/// Names of messages in one frame of gossip's control: well below the 16 KiB that peers take.
pub(super) const GOSSIP_NAMES_MAX: usize = 256;
/// Heartbeats for which messages are kept: one that is judged later is not passed on.
pub(super) const GOSSIP_HISTORY: usize = 10;
/// Peers that gossip is passed on to at once: wanted, least, most, and least of those dialled.
pub(super) const MESH: [usize; 4] = [3, 2, 4, 1];
/// Period of gossip's upkeep.
pub(super) const GOSSIP_HEARTBEAT: Duration = Duration::from_secs(1);
/// Gossiped messages that wait for judgement, of all peers.
pub(super) const GOSSIP_WAITING_MAX: usize = 4096;
/// Gossiped messages of one peer that wait for their checks.
pub(super) const GOSSIP_PER_PEER_MAX: usize = 256;
/// A gossiped message that was not judged for so long is dropped.
pub(super) const GOSSIP_FORGET: Duration = Duration::from_secs(60);

/// Items of one peer that wait for their checks: its gossip, and answers to all requests.
pub(super) const INBOX: usize = GOSSIP_PER_PEER_MAX + 4 * REQUESTS_PER_PEER_MAX;
/// Items that are checked in one go.
pub(super) const CHECK_BATCH: usize = 32;
/// Headers that are worth a check of their own: about 10 ms of signatures.
pub(super) const PART_MIN: usize = 128;
/// Commands that wait for the swarm's task.
pub(super) const COMMANDS: usize = 1024;
/// Reports of checks and services that wait for the swarm's task.
pub(super) const REPORTS: usize = 1024;

/// Peers gone whose numbers are remembered, so that a fault found late still counts.
pub(super) const GONE_MAX: usize = 1024;

/// Period of the upkeep: dialling, bans, forgotten gossip.
pub(super) const UPKEEP: Duration = Duration::from_millis(100);
/// The first wait before a peer is dialled again; doubles up to [`REDIAL_MAX`].
pub(super) const REDIAL_MIN: Duration = Duration::from_millis(250);
/// The longest wait before a peer is dialled again.
pub(super) const REDIAL_MAX: Duration = Duration::from_secs(10);
/// A connection that held so long starts the waits anew.
pub(super) const STABLE: Duration = Duration::from_secs(10);
/// How long the lookup of a name may take.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
pub(super) const LOOKUP_ADDRESSES_MAX: usize = 8;

/// Points at which a peer is disconnected and banned.
pub(super) const POINTS_MAX: u32 = 100;
/// One point is forgiven in this time.
pub(super) const POINT_FORGIVEN: Duration = Duration::from_secs(6);
/// How long a peer is banned.
pub(super) const BAN: Duration = Duration::from_secs(600);
/// How long a peer that the configuration names is banned.
pub(super) const BAN_STATIC: Duration = Duration::from_secs(30);
