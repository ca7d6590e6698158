"""Verification without a network: from files alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import dronechain
import pytest

from conftest import Anchored, Flight


@pytest.fixture
def verifier(anchored: Anchored) -> dronechain.Verifier:
    return dronechain.Verifier(anchored.headers)


def test_headers_come_back_from_their_file(anchored: Anchored, tmp_path: Path) -> None:
    headers = anchored.headers
    headers.save(tmp_path / "headers.bin")
    for read in (
        dronechain.Headers.load(tmp_path / "headers.bin"),
        dronechain.Headers.from_bytes((tmp_path / "headers.bin").read_bytes()),
    ):
        assert (read.chain_id, read.height, read.tip) == (headers.chain_id, headers.height, headers.tip)
        assert read.to_bytes() == headers.to_bytes()
    assert headers.block_at(0) == headers.chain_id
    assert headers.block_at(headers.height) == headers.tip
    assert headers.block_at(headers.height + 1) is None


def test_headers_with_any_byte_changed_are_refused(anchored: Anchored) -> None:
    good = anchored.headers.to_bytes()
    step = max(1, len(good) // 97)
    for at in range(0, len(good), step):
        changed = bytearray(good)
        changed[at] ^= 1
        try:
            other = dronechain.Headers.from_bytes(changed)
        except dronechain.HeadersError:
            continue
        # What stands in the chain spec is bound by the chain id.
        assert other.chain_id != anchored.headers.chain_id, f"byte {at}"


def test_broken_rule_of_a_header_is_named(anchored: Anchored) -> None:
    changed = bytearray(anchored.headers.to_bytes())
    # The last link ends with its opened commitments, and an empty list of changes.
    changed[-10] ^= 1
    with pytest.raises(dronechain.HeadersError, match=f"height {anchored.headers.height}") as caught:
        dronechain.Headers.from_bytes(changed)
    assert (caught.value.rule, caught.value.rule_name) == ("H16", "header-opening")


def test_missing_file_of_headers_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dronechain.Headers.load(tmp_path / "nowhere")


def test_receipt_in_every_form_verifies(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    file, receipt = anchored.files[2], anchored.receipts[2]
    proof = receipt.existence_proof("127.0.0.1:7700")
    forms: list[dronechain.Receipt | dronechain.ExistenceProof | str | bytes] = [
        *(receipt, receipt.to_json(), receipt.to_json().encode()),
        *(proof, proof.to_json(), proof.to_binary()),
    ]
    for form in forms:
        evidence = verifier.verify(file, form)
        assert evidence.hash == receipt.hash == hashlib.sha256(file).hexdigest()
        assert (evidence.height, evidence.block) == (receipt.height, receipt.block)
        assert evidence.block == anchored.headers.block_at(evidence.height)
        assert (evidence.sender, evidence.sequence) == (anchored.sender, 0)
        assert evidence.txid == receipt.txid
        assert evidence.confirmations == anchored.headers.height - evidence.height + 1
        assert evidence.kind == "data"
        assert (evidence.verdict, evidence.is_good) == ("authority-unchecked", False)
        assert evidence.reason.startswith("authority unchecked")
        assert evidence.record is None


def test_time_by_which_it_existed_is_told(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    evidence = verifier.verify(anchored.files[0], anchored.receipts[0])
    ms, told = evidence.not_later_than_ms, evidence.not_later_than
    assert ms is not None and told is not None
    assert told.tzinfo is not None and told.utcoffset() == timezone.utc.utcoffset(None)
    assert round(told.timestamp() * 1000) == ms
    assert anchored.receipts[0].block_time_ms <= ms
    assert told < datetime.now(timezone.utc)


def test_receipts_come_back_from_their_forms(anchored: Anchored) -> None:
    receipt = anchored.receipts[1]
    assert dronechain.Receipt.from_json(receipt.to_json()) == receipt
    assert dronechain.Receipt.from_json(receipt.to_json().encode()) == receipt
    proof = receipt.existence_proof("node.example:7700")
    assert dronechain.ExistenceProof.from_json(proof.to_json()) == proof
    assert dronechain.ExistenceProof.from_binary(proof.to_binary()) == proof
    assert (proof.hash, proof.height, proof.txid) == (receipt.hash, receipt.height, receipt.txid)
    assert (proof.index, proof.host) == (1, "node.example:7700")
    assert receipt != anchored.receipts[2]
    assert json.loads(receipt.to_json())["targetHash"] == receipt.hash


def test_host_that_is_none_is_refused(anchored: Anchored) -> None:
    with pytest.raises(dronechain.VerificationError, match="host") as caught:
        anchored.receipts[0].existence_proof("no host/at all")
    assert caught.value.part == "format"


def test_altered_record_is_named(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    with pytest.raises(dronechain.VerificationError, match="record altered") as caught:
        verifier.verify(anchored.files[0] + b" ", anchored.receipts[0])
    assert caught.value.part == "record"
    assert not caught.value.is_retryable


def test_receipt_of_another_record_does_not_do(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    with pytest.raises(dronechain.VerificationError):
        verifier.verify(anchored.files[0], anchored.receipts[1])


def change_hex(text: str) -> str:
    """One digit in the middle changed."""
    at = len(text) // 2
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def changed_leaves(value: object) -> list[object]:
    """``value`` with one text, number or list changed, in every place."""
    if isinstance(value, dict):
        return [{**value, name: other} for name, part in value.items() for other in changed_leaves(part)]
    if isinstance(value, list):
        shorter = [value[:-1]] if value else []
        return shorter + [
            [*value[:at], other, *value[at + 1 :]] for at, part in enumerate(value) for other in changed_leaves(part)
        ]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int):
        return [value + 1]
    assert isinstance(value, str)
    return [change_hex(value)] if value else []


def test_receipt_changed_in_any_place_is_refused_with_its_part(
    anchored: Anchored, verifier: dronechain.Verifier
) -> None:
    parts = set()
    document = json.loads(anchored.receipts[3].to_json())
    changes = changed_leaves(document)
    assert len(changes) > 20
    for change in changes:
        with pytest.raises(dronechain.VerificationError) as caught:
            verifier.verify(anchored.files[3], json.dumps(change))
        parts.add(caught.value.part)
    assert {"format", "proof", "transaction", "header", "registry"} <= parts


def test_proof_with_any_byte_changed_is_refused(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    proof = anchored.receipts[3].existence_proof("localhost")
    parse = dronechain.ExistenceProof
    text, binary = proof.to_json().encode(), proof.to_binary()
    for good, step, parsed in ((text, 7, parse.from_json), (binary, 3, parse.from_binary)):
        for at in range(0, len(good), step):
            changed = bytearray(good)
            changed[at] ^= 1
            try:
                found = verifier.verify(anchored.files[3], changed)
            except dronechain.VerificationError:
                continue
            # Only where public tools are to ask is not bound by a hash; and compression may say the same in other bytes.
            other = parsed(changed)
            is_same = other.to_json() == proof.to_json()
            assert (is_same or other.host != proof.host) and found.hash == proof.hash, f"byte {at}"


def test_documents_that_are_none_are_a_matter_of_format(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    for junk in (b"", "", "{}", "[]", b"\x78\x9c", b"\xff" * 40):
        with pytest.raises(dronechain.VerificationError) as caught:
            verifier.verify(anchored.files[0], junk)
        assert caught.value.part == "format"
    with pytest.raises(dronechain.VerificationError):
        dronechain.Receipt.from_json("null")
    with pytest.raises(dronechain.VerificationError):
        dronechain.ExistenceProof.from_binary(b"junk")


def test_too_few_confirmations_are_refused(anchored: Anchored) -> None:
    headers = anchored.headers
    deep = headers.height - anchored.receipts[0].height + 1
    dronechain.Verifier(headers, confirmations=deep).verify(anchored.files[0], anchored.receipts[0])
    with pytest.raises(dronechain.VerificationError, match="too few confirmations") as caught:
        dronechain.Verifier(headers, confirmations=deep + 1).verify(anchored.files[0], anchored.receipts[0])
    assert caught.value.part == "header"


def test_long_file_verifies_by_its_hash(anchored: Anchored, verifier: dronechain.Verifier) -> None:
    for form in (anchored.long_receipt, anchored.long_receipt.existence_proof("localhost")):
        evidence = verifier.verify_hash(anchored.long_hash, form)
        assert evidence.hash == anchored.long_hash
    with pytest.raises(dronechain.VerificationError, match="record altered"):
        verifier.verify_hash("cd" * 32, anchored.long_receipt)


def test_many_verify_in_one_call_and_each_has_its_own_answer(
    anchored: Anchored, verifier: dronechain.Verifier
) -> None:
    pairs = list(zip(anchored.files, anchored.receipts)) * 300
    pairs[7] = (b"altered", anchored.receipts[2])
    results = verifier.verify_all(iter(pairs))
    assert len(results) == len(pairs)
    for number, ((file, _), result) in enumerate(zip(pairs, results)):
        if number == 7:
            assert isinstance(result, dronechain.VerificationError)
            assert result.part == "record"
        else:
            assert isinstance(result, dronechain.Evidence)
            assert result.hash == hashlib.sha256(file).hexdigest()
    assert verifier.verify_all([]) == []


def read(flight: Flight, sequence: int) -> tuple[bytes, bytes]:
    name = f"{sequence:08}"
    record = (flight.folder / f"{name}.cose").read_bytes()
    return record, (flight.folder / f"{name}.receipt.json").read_bytes()


def test_drones_record_is_good_and_read(flight: Flight) -> None:
    verifier = dronechain.Verifier(flight.headers)
    record, receipt = read(flight, 1)
    evidence = verifier.verify(record, receipt)
    assert (evidence.verdict, evidence.is_good) == ("good", True)
    signed = evidence.record
    assert signed is not None
    assert (signed.sequence, signed.kind, signed.clock) == (1, "data", "simulated")
    assert signed.signer == flight.device
    assert signed.subject == hashlib.sha256(bytes.fromhex(flight.device)).hexdigest()
    assert signed.hash == hashlib.sha256(record).hexdigest() == evidence.hash
    assert signed.previous == hashlib.sha256(read(flight, 0)[0]).hexdigest()
    assert signed.attested_by == "device"
    assert signed.body and signed.content_type and signed.count is None
    assert signed.to_bytes() == record
    first = dronechain.SignedRecord.from_bytes(read(flight, 0)[0], chain_id=flight.headers.chain_id)
    assert first.previous is None
    assert first.time_us <= signed.time_us
    assert len(signed.known_block) == 64


def test_closing_record_counts_the_flight(flight: Flight) -> None:
    closing = dronechain.SignedRecord.from_bytes(
        read(flight, flight.count - 1)[0], chain_id=flight.headers.chain_id
    )
    assert (closing.kind, closing.count, closing.body) == ("closing", flight.count - 1, None)


def test_signed_record_with_a_byte_changed_or_of_another_network_is_refused(flight: Flight) -> None:
    record, _ = read(flight, 0)
    chain_id = flight.headers.chain_id
    for at in range(0, len(record), max(1, len(record) // 499)):
        changed = bytearray(record)
        changed[at] ^= 1
        with pytest.raises(dronechain.RecordError):
            dronechain.SignedRecord.from_bytes(changed, chain_id=chain_id)
    with pytest.raises(dronechain.RecordError):
        dronechain.SignedRecord.from_bytes(record, chain_id="00" * 32)


def test_folder_of_a_flight_holds(flight: Flight) -> None:
    report = dronechain.verify_folder(flight.folder, flight.headers, confirmations=2)
    assert report.holds and report.closed
    assert (report.records, report.verified, report.failures) == (flight.count, flight.count, [])
    (reach,) = report.subjects
    assert (reach.first_sequence, reach.last_sequence, reach.closed) == (0, flight.count - 1, True)
    assert reach.subject == hashlib.sha256(bytes.fromhex(flight.device)).hexdigest()


def test_altered_and_missing_records_of_a_folder_are_named(flight: Flight, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    shutil.copytree(flight.folder, folder)
    altered = folder / "00000001.cose"
    altered.write_bytes(altered.read_bytes()[:-1] + b"\0\0")
    for name in ("00000003.cose", "00000003.receipt.json"):
        (folder / name).unlink()
    report = dronechain.verify_folder(folder, flight.headers)
    assert not report.holds
    assert report.verified == flight.count - 2
    failed = {failure.file: failure.part for failure in report.failures}
    assert set(failed) == {"00000001.cose", "00000003.cose"}
    assert failed["00000003.cose"] == "record"


def test_folder_that_is_not_there_cannot_be_read(flight: Flight, tmp_path: Path) -> None:
    with pytest.raises(dronechain.BundleError, match="nowhere"):
        dronechain.verify_folder(tmp_path / "nowhere", flight.headers)


def test_record_of_a_drone_in_doubt_is_suspect_and_older_evidence_still_good(flight: Flight, tmp_path: Path) -> None:
    before = dronechain.Verifier(flight.headers).verify(*read(flight, 1))
    assert before.verdict == "good"
    flight.revoke(before.height)
    flight.export(tmp_path)
    headers = dronechain.Headers.load(tmp_path / "headers.bin")
    now = replace(flight, folder=tmp_path, headers=headers)
    after = dronechain.Verifier(headers).verify(*read(now, 1))
    assert (after.verdict, after.is_good) == ("suspect", False)
    assert after.hash == before.hash and after.block == before.block
    assert str(before.height) in after.reason
    # What was exported before the revocation cannot know of it.
    assert dronechain.Verifier(headers).verify(*read(flight, 1)).verdict == "good"
    assert not dronechain.verify_folder(tmp_path, headers, confirmations=2).holds
