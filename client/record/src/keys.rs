//! Key files: the registration keys of drones (K_DR) and controllers (K_CR) at rest.
//!
//! A file holds the 32-byte Ed25519 seed as 64 lower-case hex digits and a newline. It is made with
//! mode 0600 and never over an existing file; a file that group or others can touch is refused,
//! because nobody can tell who else has the key. Seeds are wiped from memory after use.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::{Hash256, HexError, decode_hex};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use zeroize::Zeroizing;

const SEED_BYTES: usize = 32;
const FILE_BYTES: usize = 2 * SEED_BYTES + 1;
const MODE: u32 = 0o600;
const MODE_OF_OTHERS: u32 = 0o077;

/// A signing key and the file that it lives in.
pub struct KeyFile {
    path: PathBuf,
    key: SigningKey,
}

/// Why a key file cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The operating system gave no random bytes.
    #[error("no randomness for a new key: {0}")]
    Randomness(getrandom::Error),
    /// There is a file already; keys are never overwritten.
    #[error("{} exists; a key is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written and was removed.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads to a folder, a device or a pipe.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Group or others have access.
    #[error("{} has mode {mode:03o}: others can use the key (hint: chmod 600 {})", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file has another length than 64 digits and a newline.
    #[error("{} is no key file: {found} bytes or more where {expected} are wanted", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes found; reading stops one byte behind the longest key.
        found: usize,
        /// Bytes of a key file.
        expected: usize,
    },
    /// The file has the right length and other characters.
    #[error("{} is no key file: {source}", path.display())]
    Digits {
        /// The file.
        path: PathBuf,
        /// Which character is wrong.
        source: HexError,
    },
    /// The 64 digits do not end with a newline.
    #[error("{} is no key file: its last byte is no newline", path.display())]
    Newline {
        /// The file.
        path: PathBuf,
    },
}

impl KeyFile {
    /// Makes a new random key and its file.
    ///
    /// # Errors
    /// [`KeyFileError::Randomness`], [`KeyFileError::Exists`], [`KeyFileError::Write`].
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(&mut *seed).map_err(KeyFileError::Randomness)?;
        Self::create_from(path, SigningKey::from_bytes(&seed))
    }

    /// Makes the file of a key that exists already. It is durable when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Write`].
    pub fn create_from(path: impl Into<PathBuf>, key: SigningKey) -> Result<Self, KeyFileError> {
        let path = path.into();
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyFileError::Exists { path });
            }
            Err(source) => return Err(KeyFileError::Write { path, source }),
        };
        if let Err(source) = write_durably(&mut file, &key, &path) {
            // Half a key helps nobody, and would be in the way of the next try.
            let _ = std::fs::remove_file(&path);
            return Err(KeyFileError::Write { path, source });
        }
        Ok(Self { path, key })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// Every variant of [`KeyFileError`] but those of writing.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let text = read_private(&path)?;
        if text.len() != FILE_BYTES {
            return Err(KeyFileError::Length { path, found: text.len(), expected: FILE_BYTES });
        }
        let (digits, newline) = text.split_at(FILE_BYTES - 1);
        if newline != b"\n" {
            return Err(KeyFileError::Newline { path });
        }
        // Bytes that are no text become replacement characters, which are no digits either.
        let digits = Zeroizing::new(String::from_utf8_lossy(digits).into_owned());
        match decode_hex::<SEED_BYTES>(&digits).map(Zeroizing::new) {
            Ok(seed) => Ok(Self { path, key: SigningKey::from_bytes(&seed) }),
            Err(source) => Err(KeyFileError::Digits { path, source }),
        }
    }

    /// Where the key lives.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key, to sign with.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// SHA-256 of the public half: the id under which records and the ledger know it.
    pub fn device_id(&self) -> Hash256 {
        self.public_key().id()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}

fn write_durably(file: &mut File, key: &SigningKey, path: &Path) -> io::Result<()> {
    let mut text = Zeroizing::new([b'\n'; FILE_BYTES]);
    let seed = Zeroizing::new(key.to_bytes());
    hex::encode_to_slice(*seed, &mut text[..FILE_BYTES - 1]).expect("64 digits hold 32 bytes");
    file.write_all(&*text)?;
    file.sync_all()?;
    // The file's name is durable only with its folder.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The file's bytes, at most one more than a key file has. Mode and content are those of one open
/// file, so nobody can exchange it in between.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    // A folder or pipe is refused before it is opened: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(KeyFileError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & MODE_OF_OTHERS != 0 {
        return Err(KeyFileError::OpenToOthers { path: path.to_owned(), mode });
    }
    // Enough capacity from the start: a growing vector would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
    file.take(FILE_BYTES as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}
