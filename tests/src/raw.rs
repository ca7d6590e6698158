//! A peer that speaks libp2p by itself, byte for byte: any key, any frame, any gossip.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::wire::{Request, Response, Status};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, PublishError, ValidationMode};
use libp2p::identity::{self, Keypair};
use libp2p::request_response::{self, OutboundRequestId, ProtocolSupport, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, ping, tcp, yamux};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::Cluster;
use crate::wait::{LONG, until};

/// Far above every bound of a node.
const BYTES_MAX: u64 = 16 << 20;

/// The bytes of one direction of a stream.
#[derive(Debug, Clone)]
pub struct Sent {
    bytes: Vec<u8>,
    hold: bool,
}

impl Sent {
    /// A message in its frame.
    pub fn frame(message: &[u8]) -> Self {
        Self::declared(u32::try_from(message.len()).expect("short"), message)
    }

    /// A message in a frame that declares `length`, whatever comes.
    pub fn declared(length: u32, message: &[u8]) -> Self {
        Self { bytes: [&length.to_le_bytes(), message].concat(), hold: false }
    }

    /// The same, but the stream stays open behind it as if more were to come.
    pub fn held(self) -> Self {
        Self { hold: true, ..self }
    }
}

/// What comes of a request to this peer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes.
    Send(Sent),
    /// Nothing, on a stream that stays open.
    Silence,
}

impl Reply {
    /// An answer as an honest peer sends it.
    pub fn honest(response: &Response) -> Self {
        Self::Send(Sent::frame(&codec::encode(response)))
    }
}

/// Answers requests.
pub type Answers = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What to gossip about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Headers.
    Header,
    /// Transactions.
    Transaction,
}

impl Topic {
    fn of(self, tag: [u8; 4]) -> IdentTopic {
        let kind = match self {
            Self::Header => "header",
            Self::Transaction => "tx",
        };
        IdentTopic::new(format!("dronechain/{}/{kind}/1", hex::encode(tag)))
    }
}

/// The libp2p identity of a key.
pub fn peer_id(key: &SigningKey) -> PeerId {
    let public = identity::ed25519::PublicKey::try_from_bytes(&PublicKey::of(key).0).expect("a point");
    identity::PublicKey::from(public).to_peer_id()
}

/// A running peer; it ends when dropped.
pub struct Raw {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    connections: watch::Receiver<usize>,
}

enum Command {
    Dial(oneshot::Sender<Result<(), String>>),
    Send(Sent, oneshot::Sender<Result<Vec<u8>, String>>),
    Publish(Topic, Vec<u8>, oneshot::Sender<Result<(), PublishError>>),
}

impl Raw {
    /// A peer with `key`, not connected yet, that answers node `victim` with `answers`.
    pub fn new(cluster: &Cluster, victim: usize, key: &SigningKey, answers: Answers) -> Self {
        let tag = cluster.spec.network().tag;
        let (commands, received) = mpsc::channel(64);
        let (count, connections) = watch::channel(0);
        let mut address: Multiaddr = cluster.p2p(victim).parse().expect("an address");
        if matches!(address.iter().last(), Some(libp2p::multiaddr::Protocol::P2p(_))) {
            address.pop();
        }
        let task = Task {
            swarm: swarm(key, tag),
            tag,
            victim: (peer_id(&cluster.keys[victim]), address),
            answers,
            dialling: HashMap::new(),
            asked: HashMap::new(),
            silent: Vec::new(),
            count,
        };
        tokio::spawn(task.run(received));
        Self { id: peer_id(key), commands, connections }
    }

    /// The same, connected.
    pub async fn connected(cluster: &Cluster, victim: usize, key: &SigningKey, answers: Answers) -> Self {
        let peer = Self::new(cluster, victim, key, answers);
        until("a connection that holds", async || {
            if peer.connections() == 0 {
                peer.dial().await.ok()?;
            }
            peer.status().await.ok()
        })
        .await;
        peer
    }

    /// As it stands in logs.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    async fn command<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.expect("the peer runs");
        answer.await.expect("the peer answers")
    }

    /// Opens one more connection. A victim that does not admit the key closes it after the handshake.
    pub async fn dial(&self) -> Result<(), String> {
        self.command(Command::Dial).await
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until the victim has closed all connections.
    pub async fn disconnected(&self) {
        until("the end of all connections", async || (self.connections() == 0).then_some(())).await;
    }

    /// Sends bytes on a stream of their own; gives all that comes back.
    pub async fn send(&self, sent: Sent) -> Result<Vec<u8>, String> {
        self.command(|reply| Command::Send(sent, reply)).await
    }

    /// Sends bytes that must not be answered; on a stream that is held open, not soon.
    pub async fn send_in_vain(&self, sent: Sent) {
        let wait = if sent.hold { Duration::from_secs(1) } else { LONG };
        if let Ok(answer) = tokio::time::timeout(wait, self.send(sent)).await {
            answer.expect_err("an answer to what is no request");
        }
    }

    /// Asks as an honest peer does.
    pub async fn ask(&self, request: &Request) -> Result<Response, String> {
        let bytes = self.send(Sent::frame(&codec::encode(request))).await?;
        let message = bytes.get(4..).ok_or("no frame")?;
        codec::decode(message).map_err(|error| error.to_string())
    }

    /// The victim's tip.
    pub async fn status(&self) -> Result<Status, String> {
        match self.ask(&Request::Status).await? {
            Response::Status(status) => Ok(status),
            other => Err(format!("{other:?}")),
        }
    }

    /// Gossips bytes, if the victim listens to this topic by now.
    pub async fn try_gossip(&self, topic: Topic, bytes: Vec<u8>) -> Result<(), PublishError> {
        self.command(|reply| Command::Publish(topic, bytes, reply)).await
    }

    /// Gossips bytes to the victim.
    pub async fn gossip(&self, topic: Topic, bytes: Vec<u8>) {
        let sent = async || {
            // Too fast, or no subscription came yet.
            match self.try_gossip(topic, bytes.clone()).await {
                Ok(()) | Err(PublishError::Duplicate) => Some(()),
                Err(_) => None,
            }
        };
        until("gossip that is sent", sent).await;
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    ask: request_response::Behaviour<Bytes>,
    ping: ping::Behaviour,
}

fn swarm(key: &SigningKey, tag: [u8; 4]) -> Swarm<Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::new(&sha256(&[&message.data]).0))
        .max_transmit_size(1 << 20)
        .flood_publish(true)
        .build();
    let config = config.expect("sound settings");
    let mut gossip: gossipsub::Behaviour =
        gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("sound settings");
    for topic in [Topic::Header, Topic::Transaction] {
        gossip.subscribe(&topic.of(tag)).expect("a topic");
    }
    let name = format!("/dronechain/{}/ask/1", hex::encode(tag));
    let protocol = StreamProtocol::try_from_owned(name).expect("the name starts with a slash");
    let config = request_response::Config::default().with_request_timeout(LONG);
    let ask = request_response::Behaviour::with_codec(Bytes, [(protocol, ProtocolSupport::Full)], config);
    let behaviour = Behaviour { gossip, ask, ping: ping::Behaviour::default() };
    SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes(key.to_bytes()).expect("a seed"))
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("noise")
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

struct Task {
    swarm: Swarm<Behaviour>,
    tag: [u8; 4],
    victim: (PeerId, Multiaddr),
    answers: Answers,
    dialling: HashMap<ConnectionId, oneshot::Sender<Result<(), String>>>,
    asked: HashMap<OutboundRequestId, oneshot::Sender<Result<Vec<u8>, String>>>,
    silent: Vec<ResponseChannel<Sent>>,
    count: watch::Sender<usize>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial(reply) => {
                let (id, address) = self.victim.clone();
                let options = DialOpts::peer_id(id).addresses(vec![address]);
                let options = options.condition(PeerCondition::Always).build();
                let connection = options.connection_id();
                match self.swarm.dial(options) {
                    Ok(()) => {
                        self.dialling.insert(connection, reply);
                    }
                    Err(error) => told(reply, Err(error.to_string())),
                }
            }
            Command::Send(sent, reply) => {
                // The behaviour would dial by itself, at an address that it does not know.
                if self.swarm.is_connected(&self.victim.0) {
                    let id = self.swarm.behaviour_mut().ask.send_request(&self.victim.0, sent);
                    self.asked.insert(id, reply);
                } else {
                    told(reply, Err("not connected".into()));
                }
            }
            Command::Publish(topic, bytes, reply) => {
                let published = self.swarm.behaviour_mut().gossip.publish(topic.of(self.tag), bytes);
                told(reply, published.map(|_| ()));
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { connection_id, num_established, .. } => {
                self.count.send_replace(num_established.get() as usize);
                if let Some(reply) = self.dialling.remove(&connection_id) {
                    told(reply, Ok(()));
                }
            }
            SwarmEvent::ConnectionClosed { num_established, .. } => {
                self.count.send_replace(num_established as usize);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(reply) = self.dialling.remove(&connection_id) {
                    told(reply, Err(error.to_string()));
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ask(event)) => self.on_ask(event),
            _ => {}
        }
    }

    fn on_ask(&mut self, event: request_response::Event<Sent, Sent>) {
        match event {
            request_response::Event::Message { message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    let request = codec::decode(&request.bytes).expect("nodes ask what they may");
                    match (self.answers)(&request) {
                        Reply::Send(sent) => {
                            // Fails if the victim is gone.
                            let _ = self.swarm.behaviour_mut().ask.send_response(channel, sent);
                        }
                        Reply::Silence => self.silent.push(channel),
                    }
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some(reply) = self.asked.remove(&request_id) {
                        told(reply, Ok(response.bytes));
                    }
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                if let Some(reply) = self.asked.remove(&request_id) {
                    told(reply, Err(error.to_string()));
                }
            }
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {
            }
        }
    }
}

/// Whoever asked may have given up.
fn told<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

/// Reads frames of requests, writes what it is given.
#[derive(Debug, Clone)]
struct Bytes;

impl request_response::Codec for Bytes {
    type Protocol = StreamProtocol;
    type Request = Sent;
    type Response = Sent;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Sent>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut length = [0; 4];
        io.read_exact(&mut length).await?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        io.read_exact(&mut bytes).await?;
        Ok(Sent { bytes, hold: false })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Sent>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(BYTES_MAX).read_to_end(&mut bytes).await?;
        // A stream that was closed without a word.
        if bytes.is_empty() {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(Sent { bytes, hold: false })
        }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, sent: Sent) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, sent).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, sent: Sent) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, sent).await
    }
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, sent: Sent) -> io::Result<()> {
    io.write_all(&sent.bytes).await?;
    io.flush().await?;
    if sent.hold {
        std::future::pending::<()>().await;
    }
    Ok(())
}
