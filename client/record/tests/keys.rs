//! Key files: made once, private, durable, and refused when others could have read them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dronechain_record::{KeyFile, KeyFileError};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drone.key");
    (dir, path)
}

fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_key_is_private_and_reads_back() {
    let (_dir, path) = place();
    let made = KeyFile::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", hex::encode(made.signing_key().to_bytes())));
    let loaded = KeyFile::load(&path).unwrap();
    assert_eq!(loaded.public_key(), made.public_key());
    assert_eq!(loaded.device_id(), made.public_key().id());
}

#[test]
fn two_new_keys_differ_and_none_is_overwritten() {
    let (dir, path) = place();
    let made = KeyFile::create(&path).unwrap();
    assert!(matches!(KeyFile::create(&path), Err(KeyFileError::Exists { .. })));
    assert_eq!(KeyFile::load(&path).unwrap().public_key(), made.public_key());
    let other = KeyFile::create(dir.path().join("other.key")).unwrap();
    assert_ne!(other.public_key(), made.public_key());
}

#[test]
fn a_key_that_others_can_touch_is_refused_with_a_hint() {
    let (_dir, path) = place();
    KeyFile::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyFile::load(&path).unwrap_err();
        assert!(matches!(&error, KeyFileError::OpenToOthers { mode: found, .. } if *found == mode));
        let text = error.to_string();
        assert!(text.contains(&format!("{mode:03o}")) && text.contains("chmod 600"), "{text}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(KeyFile::load(&path).is_ok());
}

#[test]
fn malformed_files_are_refused_by_name_without_showing_them() {
    let (dir, path) = place();
    let digits = "0b".repeat(32);
    for (content, wanted) in [
        (String::new(), "Length"),
        (digits.clone(), "Length"),
        (format!("{digits}\n\n"), "Length"),
        (format!("{digits}0"), "Newline"),
        (format!("{}\n", digits.to_uppercase()), "Digits"),
    ] {
        write(&path, content.as_bytes(), 0o600);
        let error = KeyFile::load(&path).unwrap_err();
        assert!(format!("{error:?}").starts_with(wanted), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("0b0b"));
    }
    write(&path, &[[0xff; 64].as_slice(), b"\n"].concat(), 0o600);
    assert!(KeyFile::load(&path).is_err());
    assert!(matches!(KeyFile::load(dir.path()), Err(KeyFileError::NotAFile { .. })));
    assert!(matches!(KeyFile::load(dir.path().join("none")), Err(KeyFileError::Read { .. })));
}

#[test]
fn debug_shows_the_public_half_only() {
    let (_dir, path) = place();
    let made = KeyFile::create(path).unwrap();
    let text = format!("{made:?}");
    assert!(text.contains(&made.public_key().to_string()));
    assert!(!text.contains(&hex::encode(made.signing_key().to_bytes())));
}
