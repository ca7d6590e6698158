//! What a connection is used for: gossip, requests, pings, behind limits and the list of admitted keys.

use futures::future::Either;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::transport::Transport as _;
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MessageAuthenticity, MessageId, PeerScoreParams,
    PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::{self, Keypair};
use libp2p::pnet::{PnetConfig, PnetError, PreSharedKey};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, ping, request_response, tcp, yamux};

use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};

use super::codec::Frames;
use super::error::P2pError;
use super::limits::{
    ASK_STREAMS_MAX, CONNECTIONS_IN_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, GOSSIP_BYTES_MAX,
    GOSSIP_HEARTBEAT, GOSSIP_HISTORY, GOSSIP_MESSAGES_MAX, GOSSIP_NAMES_MAX, GOSSIP_SEND_QUEUE,
    HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, IDLE_TIMEOUT, MESH, REQUEST_TIMEOUT, STREAMS_MAX,
    STREAMS_NEGOTIATING_MAX,
};

/// Gossip about this network's two topics alone.
pub(super) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Everything that runs over a connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    /// Keys that may connect.
    pub(super) allowed: allow_block_list::Behaviour<AllowedPeers>,
    /// Gossip.
    pub(super) gossip: Gossip,
    /// Requests and answers.
    pub(super) ask: request_response::Behaviour<Frames>,
    ping: ping::Behaviour,
}

/// The two topics of a network.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    /// Transactions.
    pub(super) transactions: IdentTopic,
    /// Headers.
    pub(super) headers: IdentTopic,
}

impl Topics {
    /// The topics of the network with this tag.
    pub(super) fn of(tag: [u8; 4]) -> Self {
        let topic = |kind| IdentTopic::new(format!("dronechain/{}/{kind}/1", hex::encode(tag)));
        Self { transactions: topic("tx"), headers: topic("header") }
    }

    fn hashes(&self) -> [TopicHash; 2] {
        [self.transactions.hash(), self.headers.hash()]
    }
}

/// The libp2p identity of a key; none if the bytes are no point of the curve.
pub(crate) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The key that an identity is made of, if it is one of ours.
pub(super) fn key_of(id: &PeerId) -> Option<PublicKey> {
    let key = identity::PublicKey::try_decode_protobuf(id.as_ref().digest()).ok()?;
    Some(PublicKey(key.try_into_ed25519().ok()?.to_bytes()))
}

/// A swarm that listens nowhere yet. With a pre-shared key, who does not have it gets no further than TCP.
pub(super) fn swarm(
    key: &SigningKey,
    preshared_key: Option<PreSharedKey>,
    tag: [u8; 4],
    topics: &Topics,
) -> Result<Swarm<Behaviour>, P2pError> {
    // libp2p clears the bytes it is given.
    let keypair = Keypair::ed25519_from_bytes(key.to_bytes()).expect("32 bytes are a seed");
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits()),
        allowed: allow_block_list::Behaviour::default(),
        gossip: gossip(topics).map_err(P2pError::Gossip)?,
        ask: ask(tag),
        ping: ping::Behaviour::default(),
    };
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(STREAMS_MAX);
    let noise = noise::Config::new(&keypair).map_err(P2pError::Noise)?;
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .and_then(move |socket, _| async move {
            match preshared_key {
                Some(key) => Ok::<_, PnetError>(Either::Left(PnetConfig::new(key).handshake(socket).await?)),
                None => Ok(Either::Right(socket)),
            }
        })
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(streams);
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|_| transport)
        .unwrap_or_else(|never| match never {})
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATING_MAX)
        })
        .with_connection_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Ok(swarm)
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES_MAX))
        .with_max_pending_outgoing(Some(HANDSHAKES_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

fn ask(tag: [u8; 4]) -> request_response::Behaviour<Frames> {
    let name = format!("/dronechain/{}/ask/1", hex::encode(tag));
    let protocol = StreamProtocol::try_from_owned(name).expect("the name starts with a slash");
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(ASK_STREAMS_MAX);
    request_response::Behaviour::with_codec(
        Frames,
        [(protocol, request_response::ProtocolSupport::Full)],
        config,
    )
}

/// Messages are anonymous: each carries its own signatures, the connection says who passed it on,
/// and equal content is one message whoever sent it.
fn gossip(topics: &Topics) -> Result<Gossip, String> {
    let [mesh, mesh_low, mesh_high, mesh_outbound] = MESH;
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(&sha256(&[&message.data]).0))
        .max_transmit_size(GOSSIP_BYTES_MAX)
        .max_publish_messages(GOSSIP_MESSAGES_MAX)
        .max_control_messages_sent(GOSSIP_NAMES_MAX)
        .connection_handler_queue_len(GOSSIP_SEND_QUEUE)
        .history_length(GOSSIP_HISTORY)
        .mesh_n(mesh)
        .mesh_n_low(mesh_low)
        .mesh_n_high(mesh_high)
        .mesh_outbound_min(mesh_outbound)
        .heartbeat_initial_delay(GOSSIP_HEARTBEAT)
        .heartbeat_interval(GOSSIP_HEARTBEAT)
        .flood_publish(true)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = WhitelistSubscriptionFilter(topics.hashes().into());
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.with_peer_score(score(topics), PeerScoreThresholds::default())?;
    for topic in [&topics.transactions, &topics.headers] {
        gossip.subscribe(topic).map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

/// Invalid messages count against a peer. Silence does not (a small network has quiet hours), nor
/// does sharing an address (peers are known by their keys, and one machine may run many).
fn score(topics: &Topics) -> PeerScoreParams {
    let topic = TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: GOSSIP_HEARTBEAT,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: topics.hashes().into_iter().map(|hash| (hash, topic.clone())).collect(),
        topic_score_cap: 100.0,
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_identity_follow_from_network_and_key() {
        assert_eq!(Topics::of([0xab, 1, 2, 3]).headers.hash().as_str(), "dronechain/ab010203/header/1");
        let key = SigningKey::from_bytes(&[7; 32]);
        let keypair = Keypair::ed25519_from_bytes([7; 32]).expect("a seed");
        let id = keypair.public().to_peer_id();
        assert_eq!(peer_id(&PublicKey::of(&key)), Some(id));
        assert_eq!(key_of(&id), Some(PublicKey::of(&key)));
    }

    #[test]
    fn settings_of_gossip_are_sound() {
        gossip(&Topics::of([0; 4])).expect("gossipsub takes them");
        let [mesh, low, high, outbound] = MESH;
        assert!(outbound <= low && low <= mesh && mesh <= high && 2 * outbound <= mesh);
    }
}
