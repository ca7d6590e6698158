//! `export` and `import`: the active chain with its batch bodies as one file, independent of the store's
//! layout.
//!
//! | bytes | content |
//! |---|---|
//! | 16 | `DRONECHAIN CHAIN`  |
//! | 4 | version, 1 |
//! | 32 | genesis hash: the network and its chain spec |
//! | 1 + 4 + n | per item: kind, length, value. Kind 1: a batch body, before the block that anchors it; 2: a block, in order of height from 1 |
//! | 1 + 8 + 32 + 32 | kind 0: height of the tip, its hash, the state digest |
//! | 32 | SHA-256 of all before |
//!
//! Numbers are big-endian, values canonical encodings. Nothing may follow.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::transaction::{Action, Transaction};
use dronechain_chain_spec::wire::BatchBody;
use sha2::{Digest as _, Sha256};

use super::care::{self, CareError, Standing};
use super::rebuild::Rebuild;
use super::{Options, Store, state_digest};
use crate::core::event::CheckedBody;
use crate::core::view::{BatchId, View as _};
use crate::failpoint::{self, Failpoint};

const MAGIC: &[u8; 16] = b"DRONECHAIN CHAIN";
const VERSION: u32 = 1;
const END: u8 = 0;
const BODY: u8 = 1;
const BLOCK: u8 = 2;

/// Writes the active chain of the store in the folder `path`, which no process may have open, to the new
/// file `file`.
///
/// # Errors
/// When the store does not open or a block is damaged, or `file` exists.
pub fn export(path: &Path, spec: &ChainSpec, options: &Options, file: &Path) -> Result<Standing, CareError> {
    if file.exists() {
        return Err(CareError::Exists { path: file.to_owned() });
    }
    let store = Store::inspect(path, spec, options)?;
    let (_, height) = store.tip()?;
    let loaded = store.load()?;
    let digest = state_digest(&loaded.state, &loaded.tip, height);
    let standing = Standing { tip: loaded.tip, height, digest };
    let staged = care::staging(file)?;
    let target = File::create_new(&*staged).map_err(CareError::io(&staged))?;
    let mut out = Hashing { inner: BufWriter::new(target), hasher: Sha256::new() };
    write(&store, &standing, &mut out, &staged)?;
    let sum = out.hasher.finalize();
    let finish = || {
        out.inner.write_all(&sum)?;
        out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    finish().map_err(CareError::io(&staged))?;
    staged.place(file)?;
    Ok(standing)
}

fn write(store: &Store, standing: &Standing, out: &mut impl Write, file: &Path) -> Result<(), CareError> {
    let io = CareError::io(file);
    out.write_all(MAGIC).map_err(&io)?;
    out.write_all(&VERSION.to_be_bytes()).map_err(&io)?;
    out.write_all(&store.chain_id().0).map_err(&io)?;
    let mut told = BTreeSet::new();
    for height in 1..=standing.height {
        let missing = || CareError::refused(store.path(), format!("no block at height {height}"));
        let hash = store.active(height)?.ok_or_else(missing)?;
        let header = store.header(&hash)?.ok_or_else(missing)?.signed;
        let transactions = store.transactions(&hash)?.ok_or_else(missing)?;
        for batch in transactions.iter().filter_map(batch) {
            // Bodies that the node lacks are left out; whoever imports asks peers for them.
            if told.insert(batch)
                && let Some(body) = store.body_bytes(&batch)?
            {
                item(out, BODY, &body).map_err(&io)?;
            }
        }
        item(out, BLOCK, &codec::encode(&Block { header, transactions })).map_err(&io)?;
    }
    let Standing { tip, height, digest } = standing;
    out.write_all(&[END]).map_err(&io)?;
    out.write_all(&height.to_be_bytes()).map_err(&io)?;
    out.write_all(&tip.0).map_err(&io)?;
    out.write_all(&digest.0).map_err(&io)
}

/// The batch that a transaction anchors.
fn batch(transaction: &Transaction) -> Option<BatchId> {
    match &transaction.body.action {
        Action::Anchor(anchor) => BatchId::of(anchor),
        _ => None,
    }
}

fn item(out: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).expect("canonical values are bounded below 4 GiB");
    out.write_all(&[kind])?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(bytes)
}

/// Makes a store at `path`, where nothing is, of the chain in `file`; every rule is applied to every
/// block. `now_ms` is the clock.
///
/// # Errors
/// When the file is damaged or another network's, or a block breaks a rule: nothing is put at `path`.
pub fn import(
    file: &Path,
    path: &Path,
    spec: &ChainSpec,
    options: &Options,
    now_ms: u64,
) -> Result<Standing, CareError> {
    care::vacant(path)?;
    let source = File::open(file).map_err(CareError::io(file))?;
    let mut source = Source { file, inner: Hashing { inner: BufReader::new(source), hasher: Sha256::new() } };
    source.head(spec)?;
    let staged = care::staging(path)?;
    let mut rebuild = Rebuild::start(&staged, spec, options, now_ms)?;
    let said = loop {
        match source.fixed()? {
            [BODY] => {
                let BatchBody(leaves) = source.value()?.0;
                let body = CheckedBody::of(leaves).map_err(|error| source.bad(&error))?;
                rebuild.body(body)?;
            }
            [BLOCK] => {
                let (block, bytes) = source.value()?;
                rebuild.block(block, bytes)?;
            }
            [END] => break source.end()?,
            [kind] => return Err(source.bad(&format!("unknown kind {kind}"))),
        }
    };
    let standing = rebuild.finish()?;
    if standing != said {
        return Err(source.bad(&"the blocks lead elsewhere than it says"));
    }
    failpoint::hit(Failpoint::ImportBuilt);
    staged.place(path)?;
    Ok(standing)
}

/// The file being read.
struct Source<'a, R> {
    file: &'a Path,
    inner: Hashing<R>,
}

impl<R: Read> Source<'_, R> {
    fn bad(&self, reason: &dyn std::fmt::Display) -> CareError {
        CareError::refused(self.file, reason.to_string())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CareError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.bad(&"cut short"),
            _ => CareError::io(self.file)(error),
        })?;
        Ok(bytes)
    }

    fn head(&mut self, spec: &ChainSpec) -> Result<(), CareError> {
        if self.fixed()? != *MAGIC {
            return Err(self.bad(&"no file of a chain"));
        }
        let version = u32::from_be_bytes(self.fixed()?);
        if version != VERSION {
            return Err(self.bad(&format!("version {version}, this program reads version {VERSION}")));
        }
        let (found, expected) = (Hash256(self.fixed()?), spec.genesis().hash());
        if found != expected {
            return Err(self.bad(&format!("belongs to the network with genesis {found}, not {expected}")));
        }
        Ok(())
    }

    /// A value and its size in bytes. The length is held against the type's bound before room is made.
    fn value<T: Canonical>(&mut self) -> Result<(T, usize), CareError> {
        let len = u32::from_be_bytes(self.fixed()?) as usize;
        if len > T::MAX {
            return Err(self.bad(&format!("{len} bytes where at most {} are allowed", T::MAX)));
        }
        let mut bytes = vec![0; len];
        self.inner.read_exact(&mut bytes).map_err(|_| self.bad(&"cut short"))?;
        let value = codec::decode(&bytes).map_err(|error| self.bad(&error))?;
        Ok((value, len))
    }

    fn end(&mut self) -> Result<Standing, CareError> {
        let height = u64::from_be_bytes(self.fixed()?);
        let (tip, digest) = (Hash256(self.fixed()?), Hash256(self.fixed()?));
        let expected: [u8; 32] = self.inner.hasher.clone().finalize().into();
        if self.fixed()? != expected {
            return Err(self.bad(&"damaged: its checksum does not hold"));
        }
        let mut more = [0];
        match self.inner.read(&mut more) {
            Ok(0) => Ok(Standing { tip, height, digest }),
            Ok(_) => Err(self.bad(&"something follows its end")),
            Err(error) => Err(CareError::io(self.file)(error)),
        }
    }
}

/// Hashes what goes through.
struct Hashing<T> {
    inner: T,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hasher.update(&bytes[..read]);
        Ok(read)
    }
}
