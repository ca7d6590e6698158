//! A node's key on disk, and the secret that nodes may share: the Ed25519 seed as 64 lower-case hex digits and a newline, mode 0600.
//!
//! Files are created, never overwritten, and a file that anybody else can read is refused. What the
//! key is used for is nobody's concern here.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::HexError;
use dronechain_chain_spec::key::SigningKey;
use libp2p::pnet::PreSharedKey;
use zeroize::Zeroizing;

/// Bytes of a seed.
const SEED_LEN: usize = 32;
/// Bytes of a key file: the seed's hex digits and a newline.
const FILE_LEN: usize = 2 * SEED_LEN + 1;
/// The mode of a key file: its owner alone reads and writes.
const MODE: u32 = 0o600;
/// Permission bits of group and others.
const MODE_OTHERS: u32 = 0o077;

/// Why a key file cannot be used. No variant holds a part of the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Reading or writing failed.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no folder for a new key.
    #[error("key file {path}: its folder does not exist")]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// There is no pre-shared key.
    #[error("no pre-shared key at {path}")]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// The path leads to a folder, a device or a pipe.
    #[error("key file {path} is no regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// There is a file already; keys are never overwritten.
    #[error("key file {path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Group or others may use the file.
    #[error("key file {path} has mode {mode:04o}, so that others can read it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not as long as a key file is.
    #[error("key file {path} is not {FILE_LEN} bytes long: {} hex digits and a newline are wanted", 2 * SEED_LEN)]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// A character that is no lower-case hex digit, or no newline at the end.
    #[error("key file {path}: {error}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it is wrong; never what stands there.
        error: HexError,
    },
    /// The system gives no randomness.
    #[error("no randomness for a new key: {0}")]
    Random(getrandom::Error),
}

impl KeyFileError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "make a key with `dronechain-node keygen --out FILE` or `dronechain-node init`".into()
            }
            Self::Io { .. } => "check the path and its permissions".into(),
            Self::NoFolder { path } => match path.parent() {
                Some(folder) => format!("mkdir -p {}", folder.display()),
                None => "name a file".into(),
            },
            Self::NoSecret { path } => format!(
                "copy the file that the network's other nodes have; the first is made by \
                 (umask 077 && openssl rand -hex 32 >{})",
                path.display()
            ),
            Self::NotAFile { path } if path.is_dir() => {
                format!("name the file in it, e.g. {}", path.join("node.key").display())
            }
            Self::NotAFile { .. } => "name a file that `dronechain-node keygen --out FILE` made".into(),
            Self::Exists { .. } => "choose another file; a key is never overwritten".into(),
            Self::Exposed { path, .. } => {
                format!("chmod 600 {}; if somebody may have read it, make a new key", path.display())
            }
            Self::Length { .. } | Self::Malformed { .. } => {
                "restore the file from a backup, or make a new key".into()
            }
            Self::Random(_) => "check that the system's random device works".into(),
        }
    }
}

/// A fresh key from the system's randomness.
pub fn generate() -> Result<SigningKey, KeyFileError> {
    let mut seed = Zeroizing::new([0; SEED_LEN]);
    getrandom::fill(seed.as_mut()).map_err(KeyFileError::Random)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes `key` to a new file of mode 0600 and syncs file and folder.
pub fn create(path: &Path, key: &SigningKey) -> Result<(), KeyFileError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(|error| match error
            .kind()
        {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.into() },
            io::ErrorKind::NotFound => KeyFileError::NoFolder { path: path.into() },
            _ => KeyFileError::Io { path: path.into(), error },
        })?;
    let seed = Zeroizing::new(key.to_bytes());
    let mut text = Zeroizing::new([b'\n'; FILE_LEN]);
    hex::encode_to_slice(seed.as_ref(), &mut text[..2 * SEED_LEN]).expect("two digits for each byte");
    let written =
        file.write_all(text.as_ref()).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    written.map_err(|error| {
        // Half a key is of no use and would block the next attempt.
        let _ = std::fs::remove_file(path);
        KeyFileError::Io { path: path.into(), error }
    })
}

/// Reads a key; refuses a file that group or others may use.
pub fn load(path: &Path) -> Result<SigningKey, KeyFileError> {
    Ok(SigningKey::from_bytes(&*load_secret(path)?))
}

/// Reads a secret that the nodes of a network share; its file is one as keys have.
pub fn load_preshared(path: &Path) -> Result<PreSharedKey, KeyFileError> {
    load_secret(path).map(|secret| PreSharedKey::new(*secret)).map_err(|error| match error {
        KeyFileError::Io { path, error } if error.kind() == io::ErrorKind::NotFound => {
            KeyFileError::NoSecret { path }
        }
        error => error,
    })
}

fn load_secret(path: &Path) -> Result<Zeroizing<[u8; SEED_LEN]>, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.into(), error };
    // Before it is opened: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(KeyFileError::NotAFile { path: path.into() });
    }
    let mut file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(KeyFileError::Exposed { path: path.into(), mode });
    }
    // One byte more than a key file has, to notice a longer one.
    let mut text = Zeroizing::new([0; FILE_LEN + 1]);
    let read = read_up_to(&mut file, text.as_mut()).map_err(io)?;
    if read != FILE_LEN {
        return Err(KeyFileError::Length { path: path.into() });
    }
    decode(&text[..FILE_LEN]).map_err(|error| KeyFileError::Malformed { path: path.into(), error })
}

/// The seed of a file's `FILE_LEN` bytes.
fn decode(text: &[u8]) -> Result<Zeroizing<[u8; SEED_LEN]>, HexError> {
    let (digits, newline) = text.split_at(2 * SEED_LEN);
    if let Some(at) = digits.iter().position(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(HexError::Digit { at });
    }
    if newline != b"\n" {
        return Err(HexError::Length { found: FILE_LEN, expected: 2 * SEED_LEN });
    }
    let mut seed = Zeroizing::new([0; SEED_LEN]);
    hex::decode_to_slice(digits, seed.as_mut()).expect("length and digits were checked");
    Ok(seed)
}

/// Fills `buffer` as far as the file reaches; the number of bytes read.
fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

/// Makes a new name in a folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
    }

    #[test]
    fn key_survives_the_file_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.key");
        let key = generate().expect("randomness");
        create(&path, &key).expect("a new file");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read(&path).expect("readable").len(), FILE_LEN);
        assert_eq!(load(&path).expect("a key").to_bytes(), key.to_bytes());
    }

    #[test]
    fn keys_are_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.key");
        create(&path, &SigningKey::from_bytes(&[1; 32])).expect("a new file");
        let again = create(&path, &SigningKey::from_bytes(&[2; 32]));
        assert!(matches!(again, Err(KeyFileError::Exists { .. })), "{again:?}");
        assert_eq!(load(&path).expect("the first key").to_bytes(), [1; 32]);
    }

    #[test]
    fn key_that_others_can_read_is_refused_with_path_mode_and_hint() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.key");
        create(&path, &SigningKey::from_bytes(&[1; 32])).expect("a new file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("own file");
        let error = load(&path).expect_err("exposed");
        assert!(error.to_string().contains("node.key has mode 0640"), "{error}");
        assert!(error.hint().starts_with(&format!("chmod 600 {}", path.display())), "{}", error.hint());
    }

    #[test]
    fn each_mistake_with_a_path_has_its_own_hint() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing");
        let hint = |error: KeyFileError| error.hint();
        assert!(hint(load(&missing).expect_err("missing")).contains("keygen"));
        assert!(hint(load_preshared(&missing).expect_err("missing")).contains("other nodes"));
        let error = load(folder.path()).expect_err("a folder");
        assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error:?}");
        assert!(hint(error).ends_with("node.key"));
        let key = SigningKey::from_bytes(&[1; 32]);
        let error = create(&missing.join("node.key"), &key).expect_err("no folder");
        assert_eq!(hint(error), format!("mkdir -p {}", missing.display()));
    }

    #[test]
    fn malformed_files_are_refused_without_telling_their_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.key");
        let good = hex::encode([0xab; 32]);
        for text in [
            String::new(),
            good.clone(),
            format!("{good}\n\n"),
            format!("{}\n", good.to_uppercase()),
            format!("{good} "),
            format!("{}g\n", &good[1..]),
        ] {
            std::fs::write(&path, &text).expect("own folder");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("own file");
            let error = load(&path).expect_err("malformed");
            assert!(!format!("{error} {error:?}").to_lowercase().contains("abab"), "{error:?}");
        }
    }
}
