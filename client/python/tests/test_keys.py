"""Key files."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import dronechain
import pytest


def test_saved_key_is_private_and_loads_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    key = dronechain.SigningKey.generate()
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert dronechain.SigningKey.load(path).public_key == key.public_key
    assert dronechain.SigningKey.load(str(path)).id == key.id


def test_id_is_the_hash_of_the_public_key(key: dronechain.SigningKey) -> None:
    assert key.id == hashlib.sha256(bytes.fromhex(key.public_key)).hexdigest()


def test_each_key_is_new() -> None:
    assert len({dronechain.SigningKey.generate().public_key for _ in range(20)}) == 20


def test_secret_is_not_shown(tmp_path: Path, key: dronechain.SigningKey) -> None:
    key.save(tmp_path / "secret.key")
    assert (tmp_path / "secret.key").read_text().strip() not in repr(key)


def test_key_is_never_overwritten(tmp_path: Path, key: dronechain.SigningKey) -> None:
    path = tmp_path / "device.key"
    key.save(path)
    before = path.read_bytes()
    with pytest.raises(dronechain.KeyFileError, match="never overwritten"):
        dronechain.SigningKey.generate().save(path)
    assert path.read_bytes() == before


def test_key_that_others_can_read_is_refused(tmp_path: Path, key: dronechain.SigningKey) -> None:
    path = tmp_path / "device.key"
    key.save(path)
    path.chmod(0o640)
    with pytest.raises(dronechain.KeyFileError, match="640"):
        dronechain.SigningKey.load(path)


@pytest.mark.parametrize("text", ["", "12\n", "z" * 64 + "\n", "0" * 65])
def test_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "device.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(dronechain.KeyFileError, match="no key file"):
        dronechain.SigningKey.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(dronechain.KeyFileError, match="nowhere.key") as caught:
        dronechain.SigningKey.load(tmp_path / "nowhere.key")
    assert not caught.value.is_retryable
