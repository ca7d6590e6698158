//! A network, by several of its nodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dronechain_chain_spec::checkpoint::TrustedCheckpoint;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::receipt::Receipt;

use crate::error::ClientError;
use crate::events::{Cursor, Events, Interest};
use crate::headers::Headers;
use crate::light::LightClient;
use crate::node::Roots;
use crate::nodes::Nodes;
use crate::producer::{OpenError, ProducerBuilder};

const HEADERS: &str = "headers";
const OUTBOX: &str = "outbox";

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    urls: Vec<String>,
    network: Option<Hash256>,
    checkpoint: Option<TrustedCheckpoint>,
    roots: Roots,
}

/// A network, by several of its nodes, and the own header chain. Cheap to clone; the chain is followed for as long as a
/// clone lives.
#[derive(Debug, Clone)]
pub struct Client {
    nodes: Arc<Nodes>,
    light: LightClient,
    folder: PathBuf,
    chain_id: Hash256,
}

impl Client {
    /// A client of the nodes at `urls`, e.g. `http://127.0.0.1:7700`; more than one, so that one may fail or lie.
    pub fn builder<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> ClientBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        ClientBuilder { urls, network: None, checkpoint: None, roots: Roots::system() }
    }

    /// The network: its genesis hash.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }

    /// The nodes, with failover.
    pub fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// The own header chain.
    pub fn light(&self) -> &LightClient {
        &self.light
    }

    /// Stops following the chain, for every clone. The folder is free for others once no clone, producer or handle is
    /// left.
    pub async fn close(self) {
        self.light.stop().await;
    }

    /// A producer that anchors with `key`, whose outbox is in the client's folder.
    pub fn producer(&self, key: SigningKey) -> ProducerBuilder {
        let outbox = self.folder.join(OUTBOX).join(PublicKey::of(&key).to_string());
        ProducerBuilder::new(self.clone(), key, outbox)
    }

    /// What happens on the chain, as the nodes tell it, behind `cursor` or from the tip on: heads, reorganisations, and
    /// what `interest` names. An application that keeps [`Events::cursor`] misses nothing over restarts.
    pub fn events(&self, interest: Interest, cursor: Option<Cursor>) -> Events {
        let nodes = self.nodes.each().cloned().collect();
        let events = Events::new(nodes, interest, cursor).expect("a client has a node");
        events.of_network(self.chain_id)
    }

    /// The receipt of an anchored hash, from whichever node answers; none if it knows of no anchor. With the
    /// registration of `device`, if one is named. Unverified: see [`crate::Verifier`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receipt(
        &self,
        hash: Hash256,
        device: Option<&PublicKey>,
    ) -> Result<Option<Receipt>, ClientError> {
        self.nodes.ask(|node| async move { node.receipt(hash, device).await }).await
    }
}

impl ClientBuilder {
    /// Only the network with this genesis hash. Without it, the first node that answers decides at the first start,
    /// and the header chain in the folder from then on.
    #[must_use]
    pub fn network(self, chain_id: Hash256) -> Self {
        Self { network: Some(chain_id), ..self }
    }

    /// Begins the header chain at `checkpoint` instead of genesis, so that only headers above it are fetched and
    /// verified; receipts from below it do not verify. A folder that begins at a checkpoint opens with that one only.
    #[must_use]
    pub fn checkpoint(self, checkpoint: TrustedCheckpoint) -> Self {
        Self { checkpoint: Some(checkpoint), ..self }
    }

    /// Who vouches for the certificates of `https://` addresses, instead of the operating system.
    #[must_use]
    pub fn roots(self, roots: Roots) -> Self {
        Self { roots, ..self }
    }

    /// Opens the folder at `folder`, or makes it, and begins to follow the chain. Nodes need not be up once the
    /// folder has a header chain.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(self, folder: impl AsRef<Path>) -> Result<Client, OpenError> {
        let folder = folder.as_ref().to_owned();
        let nodes = Nodes::trusting(&self.urls, &self.roots)?;
        let nodes = match self.network {
            Some(chain_id) => nodes.of_network(chain_id),
            None => nodes,
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| OpenError::Folder { path: folder.clone(), source: error })?;
        let path = folder.join(HEADERS);
        let trusted = self.checkpoint.as_ref().map(TrustedCheckpoint::id);
        let of_checkpoint = self.checkpoint.as_ref().map(TrustedCheckpoint::chain_id);
        let headers =
            match (Headers::reopen(&path, self.network.or(of_checkpoint), trusted)?, self.checkpoint) {
                (Some(headers), Some(checkpoint)) => {
                    headers.holds(&checkpoint)?;
                    headers
                }
                (Some(headers), None) => headers,
                (None, Some(checkpoint)) => Headers::begin(&path, checkpoint)?,
                (None, None) => {
                    let spec = nodes.ask(|node| async move { node.spec().await }).await?;
                    Headers::open(&path, self.network, spec)?
                }
            };
        let chain_id = headers.chain().chain_id();
        let nodes = Arc::new(nodes.of_network(chain_id));
        let light = LightClient::start(headers, Arc::clone(&nodes));
        Ok(Client { nodes, light, folder, chain_id })
    }
}
