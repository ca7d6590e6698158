//! The miner: one OS thread that searches nonces with a set share of its time.
//!
//! A header has 168 bytes, so its inner SHA-256 compresses three blocks, and the nonce lies in the
//! third: the first two are compressed once for each template, and an attempt costs two
//! compressions. What is worth mining on is the core's decision; the miner knows no chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{HEADER_LEN, Header, NONCE_AT};
use dronechain_chain_spec::key::SigningKey;
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::target::Target;
use sha2::block_api::compress256;
use tokio::sync::{mpsc, watch};

use crate::core::event::{Event, Template};

/// How long the miner works before it rests and looks for a new template.
const SLICE: Duration = Duration::from_millis(3);
/// Attempts between two looks at the clock: a fraction of a slice.
const ATTEMPTS_PER_LOOK: u32 = 512;
/// The longest rest after a slice, whatever the share: a template is not overlooked for longer.
const REST_MAX: Duration = Duration::from_secs(2);
/// How often the hash rate is worked out anew.
const RATE_WINDOW: Duration = Duration::from_secs(2);
/// The least share that `REST_MAX` can keep.
pub const SHARE_MIN: f64 = 0.002;

/// What a miner needs.
pub struct Setup {
    /// Signs the blocks found.
    pub key: SigningKey,
    /// The network that they are for.
    pub network: Network,
    /// Share of one thread, from [`SHARE_MIN`] to 1.
    pub share: f64,
    /// What to work on; the miner ends when the sender is gone.
    pub templates: watch::Receiver<Option<Template>>,
    /// Where finds go, as [`Event::Mined`].
    pub found: mpsc::Sender<Event>,
}

/// Why there is no miner.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// Not a share of one thread.
    #[error("mining share {0} is not within {SHARE_MIN} to 1")]
    Share(f64),
    /// The system starts no thread.
    #[error("the miner's thread does not start: {0}")]
    Thread(std::io::Error),
}

/// A running miner.
#[derive(Debug)]
pub struct Miner {
    hash_rate: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Miner {
    /// Attempts per second over the last seconds, rests included; 0 while there is no template.
    pub fn hash_rate(&self) -> Arc<AtomicU64> {
        self.hash_rate.clone()
    }

    /// Waits for the thread, which ends once the sender of templates is gone.
    pub fn join(self) {
        // A panic of the thread was reported by the panic hook already.
        let _ = self.thread.join();
    }
}

/// Starts the miner's thread.
pub fn spawn(setup: Setup) -> Result<Miner, MinerError> {
    if !(SHARE_MIN..=1.0).contains(&setup.share) {
        return Err(MinerError::Share(setup.share));
    }
    let hash_rate = Arc::new(AtomicU64::new(0));
    let meter = Meter { rate: hash_rate.clone(), since: Instant::now(), attempts: 0 };
    // Waiting for a template needs no more of a runtime than this, and no worker of the node's.
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(MinerError::Thread)?;
    let thread = std::thread::Builder::new()
        .name("miner".into())
        .spawn(move || run(setup, meter, &runtime))
        .map_err(MinerError::Thread)?;
    Ok(Miner { hash_rate, thread })
}

fn run(mut setup: Setup, mut meter: Meter, runtime: &tokio::runtime::Runtime) {
    let mut pace = Pace::new(setup.share);
    loop {
        let template = setup.templates.borrow_and_update().clone();
        if let Some(Template { header }) = template
            && let Some(header) = search(header, &mut setup, &mut pace, &mut meter)
        {
            let signed = header.signed(&setup.key, &setup.network.chain_id);
            match signed.check(&setup.network) {
                Ok(checked) => {
                    if setup.found.blocking_send(Event::Mined(checked)).is_err() {
                        return;
                    }
                }
                // The core made a template that breaks a rule; mining on would find no more.
                Err(error) => tracing::error!(%error, "the template's block is refused"),
            }
        }
        if !setup.templates.has_changed().is_ok_and(|changed| changed) {
            meter.reset();
            if runtime.block_on(setup.templates.changed()).is_err() {
                return;
            }
        }
    }
}

/// The header with a nonce that meets its target; none if the template changed before.
fn search(mut header: Header, setup: &mut Setup, pace: &mut Pace, meter: &mut Meter) -> Option<Header> {
    let target = match Target::from_bits(header.bits) {
        Ok(target) => target,
        Err(error) => {
            tracing::error!(%error, "the template's target is refused");
            return None;
        }
    };
    // Where the search starts is a matter of luck only, so that 0 does as well.
    header.nonce = getrandom::u64().unwrap_or(0);
    let mut attempt = Attempt::new(&header);
    loop {
        let start = Instant::now();
        while start.elapsed() < SLICE {
            for tried in 1..=ATTEMPTS_PER_LOOK {
                if target.is_met_by(&attempt.hash(header.nonce)) {
                    meter.count(tried);
                    pace.worked(start.elapsed());
                    return Some(header);
                }
                header.nonce = header.nonce.wrapping_add(1);
            }
            meter.count(ATTEMPTS_PER_LOOK);
        }
        pace.worked(start.elapsed());
        pace.rest();
        match setup.templates.has_changed() {
            Ok(false) => {}
            Ok(true) | Err(_) => return None,
        }
    }
}

/// The state of SHA-256 before its first block (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;
/// Where the third block of the header starts.
const TAIL_AT: usize = 2 * BLOCK;

/// A header of which all but the nonce was hashed.
struct Attempt {
    midstate: [u32; 8],
    tail: [u8; BLOCK],
    outer: [u8; BLOCK],
}

impl Attempt {
    fn new(header: &Header) -> Self {
        let bytes = header.to_bytes();
        let (head, rest) = bytes.split_at(TAIL_AT);
        let (blocks, _) = head.as_chunks::<BLOCK>();
        let mut midstate = INITIAL;
        compress256(&mut midstate, blocks);
        Self { midstate, tail: padded(rest, HEADER_LEN), outer: padded(&[0; 32], 32) }
    }

    /// SHA-256 of SHA-256 of the header with this nonce.
    fn hash(&mut self, nonce: u64) -> Hash256 {
        self.tail[NONCE_AT - TAIL_AT..HEADER_LEN - TAIL_AT].copy_from_slice(&nonce.to_le_bytes());
        let mut inner = self.midstate;
        compress256(&mut inner, &[self.tail]);
        put_words(&mut self.outer[..32], &inner);
        let mut state = INITIAL;
        compress256(&mut state, &[self.outer]);
        let mut hash = Hash256::ZERO;
        put_words(&mut hash.0, &state);
        hash
    }
}

/// The last block of a message of `len` bytes: its last bytes, the end mark, its length in bits.
fn padded(last: &[u8], len: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..last.len()].copy_from_slice(last);
    block[last.len()] = 0x80;
    block[BLOCK - 8..].copy_from_slice(&(8 * len as u64).to_be_bytes());
    block
}

fn put_words(bytes: &mut [u8], words: &[u32; 8]) {
    for (four, word) in bytes.chunks_exact_mut(4).zip(words) {
        four.copy_from_slice(&word.to_be_bytes());
    }
}

/// Keeps busy / (busy + idle) at the share.
struct Pace {
    /// Rest owed for each unit of work.
    rest_per_work: f64,
    owed: Duration,
}

impl Pace {
    fn new(share: f64) -> Self {
        Self { rest_per_work: 1.0 / share - 1.0, owed: Duration::ZERO }
    }

    fn worked(&mut self, busy: Duration) {
        self.owed = (self.owed + busy.mul_f64(self.rest_per_work)).min(REST_MAX);
    }

    fn rest(&mut self) {
        if self.owed.is_zero() {
            return;
        }
        let start = Instant::now();
        std::thread::sleep(self.owed);
        // What was slept too long is lost, not made up for by a longer slice.
        self.owed = self.owed.saturating_sub(start.elapsed());
    }
}

/// Works out the hash rate.
struct Meter {
    rate: Arc<AtomicU64>,
    since: Instant,
    attempts: u64,
}

impl Meter {
    fn count(&mut self, attempts: u32) {
        self.attempts += u64::from(attempts);
        let elapsed = self.since.elapsed();
        if elapsed >= RATE_WINDOW {
            let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.rate.store(self.attempts.saturating_mul(1000) / elapsed_ms, Ordering::Relaxed);
            self.since = Instant::now();
            self.attempts = 0;
        }
    }

    fn reset(&mut self) {
        self.rate.store(0, Ordering::Relaxed);
        self.since = Instant::now();
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::key::PublicKey;
    use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn spec() -> ChainSpec {
        let NetworkTemplate { name, parameters } = NetworkTemplate::dev();
        let public = PublicKey::of(&key());
        let admins = AdminSet { threshold: 1, keys: vec![public] };
        ChainSpec { name, genesis_time_ms: 1_000, nodes: vec![public], parameters, admins }
    }

    /// A template on genesis with the easiest bits of the network.
    fn template() -> Template {
        let spec = spec();
        let genesis = spec.genesis();
        let header = Header {
            height: 1,
            parent: genesis.hash(),
            tx_root: Hash256::ZERO,
            time_ms: genesis.time_ms + 1,
            bits: spec.parameters.limit_bits,
            miner: PublicKey::of(&key()),
            ..genesis
        };
        Template { header }
    }

    #[test]
    fn midstate_gives_the_header_hash_for_random_headers() {
        for _ in 0..200 {
            let mut bytes = [0; HEADER_LEN];
            getrandom::fill(&mut bytes).expect("randomness");
            let mut header = Header::from_bytes(&bytes);
            let mut attempt = Attempt::new(&header);
            for nonce in [header.nonce, 0, u64::MAX] {
                header.nonce = nonce;
                assert_eq!(attempt.hash(nonce), header.hash());
            }
        }
    }

    #[test]
    fn find_is_signed_once_per_template_and_the_thread_ends_with_the_sender() {
        let (templates, receiver) = watch::channel(None);
        let (found, mut finds) = mpsc::channel(4);
        let network = spec().network();
        let miner = spawn(Setup { key: key(), network, share: 1.0, templates: receiver, found })
            .expect("a thread starts");
        for _ in 0..2 {
            templates.send_replace(Some(template()));
            let Some(Event::Mined(checked)) = finds.blocking_recv() else { panic!("no find") };
            assert_eq!(checked.header().parent, template().header.parent);
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(finds.try_recv().is_err(), "a template is mined once");
        drop(templates);
        miner.join();
    }

    #[test]
    fn rest_keeps_the_share() {
        let mut pace = Pace::new(0.25);
        pace.worked(Duration::from_millis(5));
        let start = Instant::now();
        pace.rest();
        let rested = start.elapsed();
        assert!(rested >= Duration::from_millis(15), "{rested:?}");
        assert!(pace.owed.is_zero());
    }

    #[test]
    fn share_beyond_a_thread_is_refused() {
        for share in [0.0, -1.0, 1.01, f64::NAN] {
            let (_templates, receiver) = watch::channel(None);
            let (found, _finds) = mpsc::channel(1);
            let network = spec().network();
            let refused = spawn(Setup { key: key(), network, share, templates: receiver, found });
            assert!(matches!(refused, Err(MinerError::Share(_))));
        }
    }
}
