//! A network, by several of its nodes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dronechain_client::{ProducerConfig, Roots, RootsError, light};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::convert::{Hex, NO_END, Seconds};
use crate::errors::{OrRaise, closed};
use crate::events::Events;
use crate::headers::Headers;
use crate::keys::SigningKey;
use crate::pending::Delivery;
use crate::producer::Producer;
use crate::receipt::Receipt;
use crate::runtime::{wait, wait_to_end};

/// One address or several.
#[derive(FromPyObject)]
enum Urls {
    One(String),
    Several(Vec<String>),
}

/// A network, by several of its nodes, and the own verified header chain, which it follows until it is closed.
///
/// `nodes` is the address of a node, e.g. `"http://127.0.0.1:7700"`, or better several: one may then fail or lie.
/// `folder` keeps the header chain and the outboxes, and is made if it is not there; one client at a time may use it.
/// `network` is the genesis hash of the only network wanted; without it the first node that answers decides at the
/// first start, the folder from then on. `checkpoint` are headers that begin at a checkpoint (`Headers.begun_at`): the
/// own chain begins there too, and a folder that does opens with the same one only. `roots` is a file of certificates in
/// PEM that vouch for `https://` addresses, instead of those of the operating system.
///
/// Raises `ClientError` if no node answers at the first start, `InUse`, `WrongNetwork`, `HeadersError`, `OpenError`.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Client {
    chain_id: Hex,
    client: Mutex<Option<dronechain_client::Client>>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (nodes, folder, *, network=None, checkpoint=None, roots=None))]
    fn new(
        py: Python<'_>,
        nodes: Urls,
        folder: PathBuf,
        network: Option<Hex>,
        checkpoint: Option<&Headers>,
        roots: Option<PathBuf>,
    ) -> PyResult<Self> {
        let urls = match nodes {
            Urls::One(url) => vec![url],
            Urls::Several(urls) => urls,
        };
        let builder = dronechain_client::Client::builder(urls);
        let builder = match network {
            Some(network) => builder.network(network.hash()),
            None => builder,
        };
        let checkpoint = checkpoint.map(|headers| {
            let missing = || PyValueError::new_err("these headers begin at genesis, not at a checkpoint");
            headers.0.checkpoint().cloned().ok_or_else(missing)
        });
        let builder = match checkpoint.transpose()? {
            Some(checkpoint) => builder.checkpoint(checkpoint),
            None => builder,
        };
        let builder = match roots.map(Roots::read) {
            Some(Ok(roots)) => builder.roots(roots),
            Some(Err(RootsError::Read { source, .. })) => return Err(source.into()),
            Some(Err(error)) => return Err(PyValueError::new_err(error.to_string())),
            None => builder,
        };
        let client = wait(py, builder.open(folder))?.or_raise(py)?;
        Ok(Self { chain_id: client.chain_id().into(), client: Mutex::new(Some(client)) })
    }

    /// The network: its genesis hash, as hex.
    #[getter]
    fn chain_id(&self) -> Hex {
        self.chain_id
    }

    /// Height of the own header chain.
    ///
    /// Raises `Closed`.
    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<u64> {
        let client = self.open_client()?;
        wait(py, async { client.light().headers().read().await.chain().height() })
    }

    /// Hash of the last block of the own header chain, as hex.
    ///
    /// Raises `Closed`.
    #[getter]
    fn tip(&self) -> PyResult<Hex> {
        let tip = *self.open_client()?.light().tip().borrow();
        Ok(tip.into())
    }

    /// A copy of the own header chain as it is now, to verify with or to save.
    ///
    /// Raises `Closed`.
    fn headers(&self, py: Python<'_>) -> PyResult<Headers> {
        let client = self.open_client()?;
        let chain = wait(py, async { client.light().headers().read().await.chain().clone() })?;
        Ok(Headers(Arc::new(chain)))
    }

    /// A producer that anchors with `key`; its outbox is in the client's folder. One producer a key.
    ///
    /// `linger`: seconds that a batch waits for more records; 0.5.
    /// `batch_records`, `batch_bytes`: the most of one batch; 16,384, at most 65,536, and 16 MiB.
    /// `buffer_records`, `buffer_bytes`: the most in the outbox, where `send` waits; 2,000,000 and 1 GiB.
    /// `in_flight`: batches on their way to nodes at the same time; 8.
    /// `confirmations`: blocks, the batch's own among them, after which a record is delivered and leaves the outbox; 6.
    /// `delivery_timeout`: seconds after a record's hand-over at which its handle's waits end with `TimedOut`, `math.inf` for
    /// never; the record goes on; 600.
    /// `heartbeat`: seconds without a record after which an empty batch is anchored, `math.inf` for never; 300.
    /// `free_bytes`: bytes that stay free on the file system, else `send` waits; 64 MiB.
    /// `on_delivery`: called in a thread of its own with every batch that is delivered, before its records leave the
    /// outbox; after a crash in between, again. The next batch waits for it. What it raises goes to
    /// `sys.unraisablehook`, and the records leave all the same.
    /// `accept_loss`: opens an outbox of which commits are missing with what is left, instead of raising `OpenError`.
    ///
    /// Raises `ConfigError`, `InUse`, `OpenError`, `Closed`.
    #[expect(clippy::too_many_arguments, reason = "all by name, most left out")]
    #[pyo3(signature = (key, *, linger=None, batch_records=None, batch_bytes=None, buffer_records=None,
        buffer_bytes=None, in_flight=None, confirmations=None, delivery_timeout=None, heartbeat=None, free_bytes=None,
        on_delivery=None, accept_loss=false))]
    fn producer(
        &self,
        py: Python<'_>,
        key: &SigningKey,
        linger: Option<Seconds>,
        batch_records: Option<u32>,
        batch_bytes: Option<usize>,
        buffer_records: Option<usize>,
        buffer_bytes: Option<usize>,
        in_flight: Option<usize>,
        confirmations: Option<u64>,
        delivery_timeout: Option<Seconds>,
        heartbeat: Option<Seconds>,
        free_bytes: Option<u64>,
        on_delivery: Option<Py<PyAny>>,
        accept_loss: bool,
    ) -> PyResult<Producer> {
        let mut config = ProducerConfig::default();
        set(&mut config.linger, linger.map(|Seconds(linger)| linger.unwrap_or(NO_END)));
        set(&mut config.batch_records, batch_records);
        set(&mut config.batch_bytes, batch_bytes);
        set(&mut config.buffer_records, buffer_records);
        set(&mut config.buffer_bytes, buffer_bytes);
        set(&mut config.in_flight, in_flight);
        set(&mut config.confirmations, confirmations);
        set(&mut config.delivery_timeout, delivery_timeout.map(|Seconds(limit)| limit));
        set(&mut config.heartbeat, heartbeat.map(|Seconds(heartbeat)| heartbeat));
        set(&mut config.free_bytes, free_bytes);
        let builder = self.open_client()?.producer(key.0.clone()).config(config);
        let builder = match on_delivery {
            Some(told) if !told.bind(py).is_callable() => {
                return Err(PyTypeError::new_err("on_delivery is not callable"));
            }
            Some(told) => builder.on_delivery(move |delivery| tell(&told, delivery)),
            None => builder,
        };
        let builder = if accept_loss { builder.accept_loss() } else { builder };
        let opened = wait_to_end(py, async move { builder.open() })?;
        opened.or_raise(py).map(Producer::new)
    }

    /// The receipt of an anchored hash, from whichever node answers; none if it knows of no anchor.
    ///
    /// With `device`, a public key, it shows that device's registration too. Not verified: see `Verifier`.
    /// Raises `ClientError`, `Closed`.
    #[pyo3(signature = (hash, *, device=None))]
    fn receipt(&self, py: Python<'_>, hash: Hex, device: Option<Hex>) -> PyResult<Option<Receipt>> {
        let client = self.open_client()?;
        let device = device.map(Hex::key);
        let found = wait(py, client.receipt(hash.hash(), device.as_ref()))?.or_raise(py)?;
        Ok(found.map(Receipt))
    }

    /// Takes over what any node has more of, and compares every node with the own header chain, in their order.
    ///
    /// Raises `HeadersError` if the headers cannot be written, `Closed`; what nodes do wrong is their standing.
    fn survey(&self, py: Python<'_>) -> PyResult<Vec<NodeStanding>> {
        let client = self.open_client()?;
        let standings = wait(py, client.light().survey())?.or_raise(py)?;
        Ok(standings.into_iter().map(NodeStanding::of).collect())
    }

    /// What happens on the chain, as nodes tell it, from now on or behind `cursor`: heads and reorganisations, the
    /// anchors of `senders` (public keys, at most 64) and the receipts of `hashes` (at most 256). Nodes are asked from the
    /// first `next` on: without a cursor, what was before is not told.
    ///
    /// Raises `Closed`, `ValueError` for what is no cursor.
    #[pyo3(signature = (*, senders=Vec::new(), hashes=Vec::new(), cursor=None))]
    fn events(&self, senders: Vec<Hex>, hashes: Vec<Hex>, cursor: Option<&str>) -> PyResult<Events> {
        Events::new(&self.open_client()?, senders, hashes, cursor)
    }

    /// Stops following the chain. The folder is free for others once no producer, and no handle of one, is left.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let client = self.slot().take();
        match client {
            Some(client) => wait_to_end(py, client.close()),
            None => Ok(()),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (error_type=None, error=None, traceback=None, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        error_type: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (error_type, error, traceback);
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("<Client of {}>", self.chain_id)
    }
}

impl Client {
    /// The client itself: a cheap clone.
    fn open_client(&self) -> PyResult<dronechain_client::Client> {
        self.slot().clone().ok_or_else(|| closed("client"))
    }

    fn slot(&self) -> MutexGuard<'_, Option<dronechain_client::Client>> {
        // Nothing panics while it is held.
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

/// Calls `told`. An interpreter that is on its way out hears nothing; whoever opens the outbox next does.
fn tell(told: &Py<PyAny>, delivery: &dronechain_client::Delivery) {
    let heard = Python::try_attach(|py| {
        if let Err(error) = told.call1(py, (Delivery(delivery.clone()),)) {
            error.write_unraisable(py, Some(told.bind(py)));
        }
    });
    if heard.is_none() {
        // Returning would say that it was told.
        std::thread::park();
    }
}

/// How a node's chain compares with the own one.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(Clone, PartialEq)]
pub(crate) struct NodeStanding {
    /// The node's address.
    url: String,
    /// agrees, behind, weaker (another branch with less work), unshown (a heavier chain is claimed), invalid, other-network, unreachable or other.
    standing: &'static str,
    /// Height of its tip, if it is behind, weaker or unshown.
    height: Option<u64>,
    /// Why, in words, if it is invalid, unreachable or of another network.
    reason: Option<String>,
}

#[pymethods]
impl NodeStanding {
    fn __repr__(&self) -> String {
        format!("<NodeStanding of {}: {}>", self.url, self.standing)
    }
}

impl NodeStanding {
    fn of((url, standing): (String, light::NodeStanding)) -> Self {
        use light::NodeStanding as Of;
        let (standing, height, reason) = match standing {
            Of::Agrees => ("agrees", None, None),
            Of::Behind { height } => ("behind", Some(height), None),
            Of::Weaker { height, .. } => ("weaker", Some(height), None),
            Of::Unshown { height, .. } => ("unshown", Some(height), None),
            Of::Invalid { reason } => ("invalid", None, Some(reason)),
            Of::OtherNetwork { found } => ("other-network", None, Some(found.to_string())),
            Of::Unreachable { reason } => ("unreachable", None, Some(reason)),
            other => ("other", None, Some(format!("{other:?}"))),
        };
        Self { url, standing, height, reason }
    }
}
