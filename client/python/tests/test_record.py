"""What is handed over."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta, timezone

import dronechain
import pytest


@pytest.mark.parametrize("data", [b"wind 7 m/s", bytearray(b"wind 7 m/s"), memoryview(b"wind 7 m/s")])
def test_record_is_named_by_the_hash_of_its_bytes(data: bytes | bytearray | memoryview) -> None:
    record = dronechain.Record(data)
    assert record.hash == hashlib.sha256(b"wind 7 m/s").hexdigest()
    assert record.data == b"wind 7 m/s"
    assert record.kind == "data"


def test_view_that_is_not_contiguous_is_read_as_what_it_shows() -> None:
    assert dronechain.Record(memoryview(b"a1b2c3")[::2]).data == b"abc"


def test_record_claims_the_time_of_its_making_unless_told() -> None:
    before = time.time_ns() // 1_000_000
    claimed = dronechain.Record(b"x").time_ms
    assert before <= claimed <= time.time_ns() // 1_000_000


def test_time_is_a_datetime_in_any_zone_or_milliseconds() -> None:
    summer = timezone(timedelta(hours=2))
    noon = datetime(2026, 7, 1, 12, 0, 0, 5_000, tzinfo=summer)
    claimed = dronechain.Record(b"x", time=noon).time_ms
    assert claimed == int(datetime(2026, 7, 1, 10, tzinfo=timezone.utc).timestamp()) * 1000 + 5
    assert dronechain.Record(b"x", time=claimed) == dronechain.Record(b"x", time=noon)


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError, match="time zone"):
        dronechain.Record(b"x", time=datetime(2026, 7, 1))


def test_hash_stands_for_a_file_that_stays_elsewhere() -> None:
    digest = hashlib.sha256(b"a long film").digest()
    record = dronechain.Record(hash=digest, kind="access")
    assert (record.hash, record.data, record.kind) == (digest.hex(), None, "access")
    assert dronechain.Record(hash=digest.hex()).hash == digest.hex()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("AB" * 32, "lower-case"), ("ab" * 31, "62 characters"), (b"short", "5 bytes where 32")],
)
def test_hash_in_another_form_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dronechain.Record(hash=text)


def test_data_or_hash_is_wanted_and_not_both() -> None:
    for arguments in ({}, {"data": b"x", "hash": "ab" * 32}):
        with pytest.raises(ValueError, match="either data or hash"):
            dronechain.Record(**arguments)  # type: ignore[arg-type]


def test_other_kind_and_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="command"):
        dronechain.Record(b"x", kind="closing")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        dronechain.Record("text is not bytes")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        dronechain.Record(hash=7)  # type: ignore[arg-type]
