"""Records on their way, with real nodes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dronechain
import pytest

from network import WAIT_S, Network

OpenProducer = Callable[..., dronechain.Producer]


def next_sequence(network: Network, sender: str) -> int:
    """The ledger's next sequence of a sender: the number of its transactions so far."""
    with urllib.request.urlopen(f"{network.urls[0]}/v1/senders/{sender}", timeout=WAIT_S) as answer:
        sequence: int = json.load(answer)["next_sequence"]
    return sequence


def test_record_becomes_a_receipt_that_verifies(
    network: Network, client: dronechain.Client, open_producer: OpenProducer
) -> None:
    producer = open_producer()
    pending = producer.send(b"14:03 wind 7 m/s")
    assert pending.hash == hashlib.sha256(b"14:03 wind 7 m/s").hexdigest()
    promise = pending.promised(timeout=WAIT_S)
    assert promise is not None
    assert promise.deadline == promise.tip_height + 120
    assert promise.node in network.node_keys
    assert producer.broken_promises == []
    first = pending.included(timeout=WAIT_S)
    receipt = pending.confirmations(3, timeout=WAIT_S)
    assert receipt.hash == first.hash == pending.hash
    evidence = dronechain.Verifier(client.headers(), confirmations=3).verify(b"14:03 wind 7 m/s", receipt)
    assert evidence.sender == producer.sender
    assert producer.holdup is None
    assert evidence.height == receipt.height
    assert promise.tip_height < receipt.height <= promise.deadline
    assert promise.txid == receipt.txid


def test_key_that_is_not_admitted_is_told(client: dronechain.Client) -> None:
    with contextlib.suppress(dronechain.TimedOut):
        with client.producer(dronechain.SigningKey.generate(), linger=0.05, heartbeat=math.inf) as producer:
            pending = producer.send(b"waits for an admin")
            while (holdup := producer.holdup) is None or "registered" not in holdup:
                with contextlib.suppress(dronechain.TimedOut):
                    pending.promised(timeout=0.1)
            producer.close(timeout=0)


def test_records_handed_over_together_keep_their_order(open_producer: OpenProducer) -> None:
    producer = open_producer()
    records: list[bytearray | dronechain.Record | bytes] = [
        *(bytearray(b"first"), dronechain.Record(b"second"), b"third")
    ]
    handles = producer.send_all(iter(records))
    receipts = [pending.included(timeout=WAIT_S) for pending in handles]
    assert [receipt.index for receipt in receipts] == [0, 1, 2]
    assert {receipt.leaf_count for receipt in receipts} == {3}


def test_many_threads_hand_over_at_once(network: Network, open_producer: OpenProducer) -> None:
    producer = open_producer(linger=0.5)
    with ThreadPoolExecutor(16) as threads:
        handles = list(threads.map(lambda number: producer.send(b"%d" % number), range(800)))
    assert len({pending.hash for pending in handles}) == 800
    receipts = [pending.included(timeout=WAIT_S) for pending in handles]
    assert [receipt.hash for receipt in receipts] == [pending.hash for pending in handles]
    batches = {receipt.txid for receipt in receipts}
    assert len(batches) == next_sequence(network, producer.sender)


def test_same_record_again_is_the_same_record(network: Network, open_producer: OpenProducer) -> None:
    producer = open_producer(linger=0.5)
    first, again = producer.send(b"once"), producer.send(b"once")
    assert first.included(timeout=WAIT_S) == again.included(timeout=WAIT_S)
    assert first.included().leaf_count == 1


def test_delivery_is_told_in_order_with_receipts(open_producer: OpenProducer) -> None:
    told: list[dronechain.Delivery] = []
    is_told = threading.Event()

    def on_delivery(delivery: dronechain.Delivery) -> None:
        told.append(delivery)
        is_told.set()

    producer = open_producer(confirmations=2, on_delivery=on_delivery)
    handles = producer.send_all([b"a", b"b"])
    assert is_told.wait(WAIT_S)
    (delivery,) = told
    assert delivery.hashes == [pending.hash for pending in handles]
    receipts = delivery.receipts()
    assert receipts == [pending.included() for pending in handles]
    assert {receipt.height for receipt in receipts} == {delivery.height}
    assert {receipt.block for receipt in receipts} == {delivery.block}
    assert {receipt.txid for receipt in receipts} == {delivery.txid}
    assert delivery.sequence == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_the_callback_raises_stops_nothing(
    open_producer: OpenProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: seen.append(str(args.exc_value)))
    deliveries = threading.Semaphore(0)

    def on_delivery(delivery: dronechain.Delivery) -> None:
        deliveries.release()
        raise RuntimeError(f"after {len(delivery.hashes)} records")

    producer = open_producer(confirmations=1, on_delivery=on_delivery)
    producer.send(b"first").included(timeout=WAIT_S)
    assert deliveries.acquire(timeout=WAIT_S)
    producer.send(b"second").included(timeout=WAIT_S)
    assert deliveries.acquire(timeout=WAIT_S)
    assert seen[0] == "after 1 records"


def test_heartbeat_anchors_that_there_was_nothing(network: Network, open_producer: OpenProducer) -> None:
    beats: list[list[str]] = []
    is_told = threading.Event()

    def on_delivery(delivery: dronechain.Delivery) -> None:
        beats.append(delivery.hashes)
        is_told.set()

    open_producer(heartbeat=0.2, confirmations=1, on_delivery=on_delivery)
    assert is_told.wait(WAIT_S)
    assert beats[0] == []


def test_flush_hands_an_open_batch_to_nodes(open_producer: OpenProducer) -> None:
    producer = open_producer(linger=3_600)
    pending = producer.send(b"waits for more")
    with pytest.raises(dronechain.TimedOut):
        pending.promised(timeout=0.3)
    producer.flush(timeout=WAIT_S)
    pending.promised(timeout=WAIT_S)


def test_wait_that_takes_longer_says_so_and_the_handle_stays_good(open_producer: OpenProducer) -> None:
    pending = open_producer().send(b"not yet")
    with pytest.raises(TimeoutError) as caught:
        pending.confirmations(1_000, timeout=0.2)
    assert isinstance(caught.value, dronechain.TimedOut)
    assert caught.value.is_retryable
    pending.included(timeout=WAIT_S)


def test_wait_with_a_time_of_its_own_outlasts_the_delivery_timeout(open_producer: OpenProducer) -> None:
    pending = open_producer(delivery_timeout=0.1).send(b"not yet, but soon")
    with pytest.raises(dronechain.TimedOut):
        pending.confirmations(1_000)
    assert pending.included(timeout=WAIT_S).leaf_count == 1
    assert pending.included(timeout=math.inf).leaf_count == 1


def test_handles_can_be_awaited(open_producer: OpenProducer) -> None:
    producer = open_producer()

    async def both() -> list[dronechain.Receipt]:
        handles = producer.send_all([b"one", b"two"])
        waits = [handles[0].included_async(WAIT_S), handles[1].confirmations_async(2, WAIT_S)]
        return list(await asyncio.gather(*waits))

    receipts = asyncio.run(both())
    assert [receipt.hash for receipt in receipts] == [hashlib.sha256(text).hexdigest() for text in (b"one", b"two")]


def test_full_outbox_makes_try_send_raise_and_send_wait(open_producer: OpenProducer) -> None:
    # Nothing is delivered, so nothing makes room.
    producer = open_producer(buffer_records=2, batch_records=2, confirmations=1_000_000)
    producer.send_all([b"one", b"two"])
    with pytest.raises(dronechain.Full) as full:
        producer.try_send(b"three")
    assert full.value.is_retryable
    raised: list[BaseException] = []

    def send() -> None:
        try:
            producer.send(b"three")
        except dronechain.SendError as error:
            raised.append(error)

    waiting = threading.Thread(target=send)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    # Whether there was time to ask nodes is another matter.
    with contextlib.suppress(dronechain.TimedOut):
        producer.close(timeout=0.5)
    waiting.join(WAIT_S)
    # Closing does not wait for a sender that waits for room.
    assert [type(error) for error in raised] == [dronechain.Unknown]


def test_record_that_is_too_long_is_refused_with_all_of_its_call(
    network: Network, open_producer: OpenProducer
) -> None:
    producer = open_producer()
    with pytest.raises(dronechain.TooLong, match="65537"):
        producer.send_all([b"short", b"x" * 65_537])
    with pytest.raises(ValueError, match="65537"):
        producer.try_send(b"x" * 65_537)
    pending = producer.send(b"x" * 65_536)
    assert pending.included(timeout=WAIT_S).leaf_count == 1


def test_revoked_key_is_rejected_by_the_rule(
    network: Network, client: dronechain.Client, controller: dronechain.SigningKey
) -> None:
    network.revoke(controller.public_key)
    producer = client.producer(controller, linger=0, heartbeat=math.inf)
    pending = producer.send(b"by a key in doubt")
    for wait in (pending.promised, pending.included, producer.flush):
        with pytest.raises(dronechain.Rejected, match="tx-sender-revoked") as caught:
            wait(timeout=WAIT_S)
        assert (caught.value.sequence, caught.value.status) == (0, 422)
        assert caught.value.name == "tx-sender-revoked"
        assert caught.value.rule is not None and caught.value.rule.startswith("T")
        assert not caught.value.is_retryable
    with pytest.raises(dronechain.Rejected):
        producer.send(b"the next one")
    with pytest.raises(dronechain.Rejected):
        producer.close(timeout=WAIT_S)


def test_records_wait_until_their_key_is_admitted(
    network: Network, client: dronechain.Client, key: dronechain.SigningKey
) -> None:
    with client.producer(key, linger=0, heartbeat=math.inf) as producer:
        pending = producer.send(b"by a stranger")
        with pytest.raises(dronechain.TimedOut):
            pending.promised(timeout=0.5)
        network.admit(key.public_key)
        assert pending.included(timeout=WAIT_S).hash == pending.hash


def test_close_ends_the_waits_of_other_threads(open_producer: OpenProducer) -> None:
    producer = open_producer(buffer_records=1, batch_records=1, confirmations=1_000_000)
    producer.send(b"takes all the room")
    with ThreadPoolExecutor(2) as threads:
        waits = [threads.submit(producer.send, b"finds none") for _ in range(2)]
        with contextlib.suppress(dronechain.TimedOut):
            producer.close(timeout=0)
        for wait in waits:
            # One that began only after the close was told so.
            assert isinstance(wait.exception(WAIT_S), (dronechain.Unknown, dronechain.Closed))


def test_what_is_neither_bytes_nor_a_record_is_refused(open_producer: OpenProducer) -> None:
    producer = open_producer()
    with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
        producer.send("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes-like object is required, not 'int'"):
        producer.send_all([b"bytes", 5])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        producer.send_all(5)  # type: ignore[arg-type]


def test_closed_producer_takes_nothing_and_closes_again(open_producer: OpenProducer) -> None:
    producer = open_producer()
    producer.close(timeout=WAIT_S)
    for call in (lambda: producer.send(b"x"), lambda: producer.try_send(b"x"), producer.flush):
        with pytest.raises(dronechain.Closed):
            call()
    producer.close()


def test_handles_of_a_closed_producer_say_that_it_stopped(open_producer: OpenProducer) -> None:
    producer = open_producer(linger=3_600)
    pending = producer.send(b"left in the outbox")
    with pytest.raises(dronechain.TimedOut):
        producer.close(timeout=0)
    with pytest.raises(dronechain.Stopped) as caught:
        pending.promised(timeout=WAIT_S)
    assert not caught.value.is_retryable


def test_error_in_a_with_block_is_not_hidden_by_the_close(
    client: dronechain.Client, controller: dronechain.SigningKey
) -> None:
    with pytest.raises(KeyError, match="mine"):
        with client.producer(controller, linger=3_600, heartbeat=math.inf) as producer:
            producer.send(b"stays in the outbox")
            raise KeyError("mine")
    with client.producer(controller, linger=0.05, heartbeat=math.inf) as again:
        (recovered,) = again.recovered
        assert recovered.included(timeout=WAIT_S).hash == hashlib.sha256(b"stays in the outbox").hexdigest()


def test_one_producer_a_key(client: dronechain.Client, controller: dronechain.SigningKey) -> None:
    with client.producer(controller):
        with pytest.raises(dronechain.InUse) as caught:
            client.producer(controller)
        assert caught.value.is_retryable
    client.producer(controller).close(timeout=WAIT_S)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("batch_records", 0),
        ("batch_records", 65_537),
        ("batch_bytes", 0),
        ("buffer_records", 1),
        ("buffer_bytes", 1),
        ("in_flight", 0),
        ("confirmations", 0),
        ("heartbeat", 0.1),
    ],
)
def test_setting_out_of_range_is_named(
    client: dronechain.Client, key: dronechain.SigningKey, setting: str, value: float
) -> None:
    with pytest.raises(dronechain.ConfigError, match=setting) as caught:
        client.producer(key, **{setting: value})  # type: ignore[arg-type]
    assert caught.value.setting == setting
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("setting", [{"linger": -1}, {"linger": math.nan}, {"batch_recods": 5}, {"on_delivery": 5}])
def test_setting_that_is_none_is_refused(
    client: dronechain.Client, key: dronechain.SigningKey, setting: dict[str, float]
) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        client.producer(key, **setting)  # type: ignore[arg-type]


def test_outbox_stays_in_the_folder_of_the_client(
    client: dronechain.Client, controller: dronechain.SigningKey, tmp_path: Path
) -> None:
    with client.producer(controller) as producer:
        assert producer.sender == controller.public_key
        assert (tmp_path / "data" / "outbox" / controller.public_key).is_dir()
