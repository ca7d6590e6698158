"""A network by several of its nodes, and what happens on it."""

from __future__ import annotations

import socket
from itertools import islice
from pathlib import Path

import dronechain
import pytest

from conftest import Anchored, Flight
from network import WAIT_S, Network
from test_producer import OpenProducer


def free_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_client_follows_the_chain(client: dronechain.Client, anchored: Anchored) -> None:
    assert client.chain_id == anchored.headers.chain_id
    client.survey()
    headers = client.headers()
    assert headers.height >= anchored.headers.height
    assert client.height >= headers.height
    assert headers.block_at(anchored.headers.height) == anchored.headers.tip
    assert len(client.tip) == 64


def test_survey_names_the_node_that_is_not_there(network: Network, tmp_path: Path) -> None:
    nowhere = free_url()
    with dronechain.Client([nowhere, *network.urls], tmp_path) as client:
        standings = client.survey()
    assert [standing.url for standing in standings] == [nowhere, *network.urls]
    assert standings[0].standing == "unreachable"
    assert standings[0].reason
    assert {standing.standing for standing in standings[1:]} <= {"agrees", "behind"}


def test_one_address_may_be_a_text(network: Network, tmp_path: Path) -> None:
    with dronechain.Client(network.urls[0], str(tmp_path)) as client:
        assert client.height >= 0


def test_receipt_is_fetched_and_none_is_none(client: dronechain.Client, anchored: Anchored) -> None:
    wanted = anchored.receipts[0]
    receipt = client.receipt(wanted.hash)
    assert receipt is not None
    assert (receipt.hash, receipt.txid, receipt.height) == (wanted.hash, wanted.txid, wanted.height)
    assert client.receipt(bytes.fromhex(wanted.hash)) == receipt
    assert client.receipt("00" * 32) is None
    evidence = dronechain.Verifier(client.headers()).verify(anchored.files[0], receipt)
    assert evidence.sender == anchored.sender


def test_receipt_with_the_device_makes_the_record_good(client: dronechain.Client, flight: Flight) -> None:
    record = (flight.folder / "00000000.cose").read_bytes()
    hash_ = dronechain.SignedRecord.from_bytes(record, chain_id=client.chain_id).hash
    client.survey()
    verifier = dronechain.Verifier(client.headers())
    plain, shown = client.receipt(hash_), client.receipt(hash_, device=flight.device)
    assert plain is not None and shown is not None
    assert verifier.verify(record, plain).verdict == "authority-unchecked"
    assert verifier.verify(record, shown).verdict == "good"


def test_folder_is_opened_without_a_node_once_it_has_headers(network: Network, tmp_path: Path) -> None:
    with dronechain.Client(network.urls, tmp_path) as client:
        client.survey()
        height, chain_id = client.height, client.chain_id
    del client
    with dronechain.Client([free_url()], tmp_path) as offline:
        assert offline.chain_id == chain_id
        assert offline.height >= height
        with pytest.raises(dronechain.Unreachable) as caught:
            offline.receipt("00" * 32)
        assert caught.value.is_retryable
        # Nobody tells anything: the wait has an end.
        assert offline.events().next(timeout=0.3) is None


def test_client_takes_roots_that_are_certificates_only(network: Network, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dronechain.Client(network.urls, tmp_path / "client", roots=tmp_path / "nothing")
    (tmp_path / "roots").write_text("none")
    with pytest.raises(ValueError, match="certificates in PEM"):
        dronechain.Client(network.urls, tmp_path / "client", roots=tmp_path / "roots")


def test_client_begins_at_a_checkpoint_that_is_trusted(
    network: Network, anchored: Anchored, tmp_path: Path
) -> None:
    whole = anchored.headers
    height = whole.height - 1
    begun = whole.begun_at(height)
    assert whole.checkpoint is None
    assert (begun.height, begun.tip, begun.block_at(height - 1)) == (whole.height, whole.tip, None)
    trust = begun.checkpoint
    assert trust is not None
    begun.save(tmp_path / "checkpoint")
    for wrong in (None, "00" * 32):
        with pytest.raises(dronechain.HeadersError, match=trust):
            dronechain.Headers.load(tmp_path / "checkpoint", trust=wrong)
    loaded = dronechain.Headers.load(tmp_path / "checkpoint", trust=trust)
    with dronechain.Client(network.urls, tmp_path / "client", checkpoint=loaded) as client:
        client.survey()
        headers = client.headers()
        assert headers.checkpoint == trust
        assert headers.block_at(whole.height) == whole.tip
        assert headers.block_at(height - 1) is None
    del client
    with pytest.raises(dronechain.HeadersError, match=trust):
        dronechain.Client(network.urls, tmp_path / "client")
    with pytest.raises(ValueError, match="genesis"):
        dronechain.Client(network.urls, tmp_path / "client", checkpoint=whole)
    with pytest.raises(ValueError, match="no checkpoint"):
        whole.begun_at(whole.height + 1)


def test_no_node_at_the_first_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(dronechain.Unreachable):
        dronechain.Client([free_url()], tmp_path)


@pytest.mark.parametrize("nodes", [[], ["not an address"], ["ftp://127.0.0.1"]])
def test_address_that_is_none_is_told(nodes: list[str], tmp_path: Path) -> None:
    with pytest.raises(dronechain.ClientError) as caught:
        dronechain.Client(nodes, tmp_path)
    assert not caught.value.is_retryable


def test_other_network_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(dronechain.WrongNetwork):
        dronechain.Client(network.urls, tmp_path, network="ab" * 32)


def test_folder_has_one_client_at_a_time(client: dronechain.Client, network: Network, tmp_path: Path) -> None:
    with pytest.raises(dronechain.InUse):
        dronechain.Client(network.urls, tmp_path / "data")


def test_closed_client_says_so(network: Network, tmp_path: Path) -> None:
    client = dronechain.Client(network.urls, tmp_path)
    client.close()
    client.close()
    with pytest.raises(dronechain.Closed):
        client.survey()
    with pytest.raises(dronechain.Closed):
        _ = client.tip
    # What needs no network is still there.
    assert len(client.chain_id) == 64
    dronechain.Client(network.urls, tmp_path).close()


def test_heads_are_told_one_after_the_other(client: dronechain.Client) -> None:
    heads = [event for event in islice(client.events(), 4) if isinstance(event, dronechain.HeadEvent)]
    for before, head in zip(heads, heads[1:]):
        if head.height == before.height + 1:
            assert head.parent == before.hash
    assert len(heads) >= 2
    assert heads[-1].height > heads[0].height


def test_anchors_and_receipts_of_interest_are_told(
    client: dronechain.Client, open_producer: OpenProducer, controller: dronechain.SigningKey
) -> None:
    producer = open_producer()
    hash_ = dronechain.Record(b"of interest").hash
    events = client.events(senders=[controller.public_key], hashes=[hash_])
    # The stream begins here, in front of the anchor.
    assert isinstance(events.next(timeout=WAIT_S), dronechain.HeadEvent)
    receipt = producer.send(b"of interest").included(timeout=WAIT_S)
    anchor: dronechain.AnchorEvent | None = None
    told: dronechain.ReceiptEvent | None = None
    while anchor is None or told is None:
        event = events.next(timeout=WAIT_S)
        assert event is not None
        if isinstance(event, dronechain.AnchorEvent):
            anchor = event
        elif isinstance(event, dronechain.ReceiptEvent):
            told = event
    assert (anchor.sender, anchor.sequence, anchor.root) == (controller.public_key, 0, receipt.root)
    assert (anchor.kind, anchor.leaf_count) == ("data", 1)
    assert (told.hash, told.is_included, told.sender) == (hash_, True, controller.public_key)


def test_events_go_on_behind_a_cursor(client: dronechain.Client) -> None:
    events = client.events()
    assert events.cursor is None
    first = next(event for event in events if isinstance(event, dronechain.HeadEvent))
    cursor = events.cursor
    assert cursor is not None and cursor.startswith(first.hash)
    following = next(iter(client.events(cursor=cursor)))
    if isinstance(following, dronechain.HeadEvent):
        assert following.parent == first.hash
    else:
        assert isinstance(following, dronechain.Reorganisation)
        assert following.from_block == first.hash


def test_what_is_no_cursor_is_refused(client: dronechain.Client) -> None:
    with pytest.raises(ValueError, match="cursor"):
        client.events(cursor="nowhere")
