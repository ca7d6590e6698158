"""Interpreters that are killed or interrupted, with a producer at work."""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import dronechain
import pytest

from network import WAIT_S, Network
from test_producer import OpenProducer, next_sequence

# Waits for ever behind the line that it prints.
HAND_OVER = """
import math, sys
import dronechain

folder, key, what, *urls = sys.argv[1:]
client = dronechain.Client(urls, folder)
producer = client.producer(dronechain.SigningKey.load(key), linger=3_600, heartbeat=math.inf)
pending = producer.send(what.encode())
try:
    print(pending.hash, flush=True)
    pending.promised()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def hand_over(network: Network, folder: Path, key: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, str(folder), str(key), what, *network.urls],
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def test_record_of_a_killed_interpreter_is_recovered_and_anchored_once(
    network: Network, controller: dronechain.SigningKey, tmp_path: Path
) -> None:
    key = tmp_path / "controller.key"
    controller.save(key)
    expected = hashlib.sha256(b"said before the end").hexdigest()
    process = hand_over(network, tmp_path / "data", key, "said before the end")
    try:
        assert output(process).readline().strip() == expected
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait(WAIT_S) == -signal.SIGKILL
        output(process).close()
    assert next_sequence(network, controller.public_key) == 0
    with dronechain.Client(network.urls, tmp_path / "data") as client:
        with client.producer(controller, linger=0.05, heartbeat=math.inf) as producer:
            (recovered,) = producer.recovered
            assert recovered.hash == expected
            # Whoever was killed before the answer hands it over again.
            again = producer.send(b"said before the end")
            receipt = recovered.confirmations(2, timeout=WAIT_S)
            assert again.included(timeout=WAIT_S) == receipt
        evidence = dronechain.Verifier(client.headers()).verify(b"said before the end", receipt)
        assert (evidence.sequence, receipt.leaf_count) == (0, 1)
    assert next_sequence(network, controller.public_key) == 1


def test_ctrl_c_ends_a_wait(network: Network, controller: dronechain.SigningKey, tmp_path: Path) -> None:
    key = tmp_path / "controller.key"
    controller.save(key)
    process = hand_over(network, tmp_path / "data", key, "interrupted")
    try:
        assert output(process).readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=WAIT_S)
        assert (rest, process.returncode) == ("interrupted\n", 0)
    finally:
        process.kill()
        process.wait()
        output(process).close()


def test_ctrl_c_ends_a_wait_for_room_and_the_producer_stays_good(open_producer: OpenProducer) -> None:
    producer = open_producer(buffer_records=1, batch_records=1, confirmations=1_000_000)
    pending = producer.send(b"takes all the room")
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        producer.send(b"finds none")
    pending.included(timeout=WAIT_S)


def test_signal_handler_runs_during_a_wait_that_goes_on(open_producer: OpenProducer) -> None:
    heard: list[int] = []
    pending = open_producer().send(b"waits through a signal")
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        with pytest.raises(dronechain.TimedOut):
            pending.confirmations(1_000_000, timeout=1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


def test_other_threads_run_during_a_wait(open_producer: OpenProducer) -> None:
    producer = open_producer(linger=3_600)
    pending = producer.send(b"goes nowhere")
    raised: list[type[BaseException]] = []

    def wait() -> None:
        try:
            pending.promised(timeout=20)
        except dronechain.PendingError as error:
            raised.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    # With the interpreter held, this would return when the wait is over.
    waiting.join(0.5)
    assert waiting.is_alive()
    with pytest.raises(dronechain.TimedOut):
        producer.close(timeout=0)
    waiting.join(WAIT_S)
    assert raised == [dronechain.Stopped]


def test_fork_is_told_instead_of_waiting_for_ever(client: dronechain.Client) -> None:
    child = os.fork()
    if child == 0:
        # Nothing of the parent's tests may go on in here.
        try:
            client.survey()
        except RuntimeError as error:
            os._exit(42 if "spawn" in str(error) else 43)
        except BaseException:
            os._exit(44)
        os._exit(45)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_interpreter_that_ends_with_an_open_producer_ends(
    network: Network, controller: dronechain.SigningKey, tmp_path: Path
) -> None:
    key = tmp_path / "controller.key"
    controller.save(key)
    leave = HAND_OVER.replace("    pending.promised()\n", "    pass\n")
    arguments = [str(tmp_path / "data"), str(key), "left behind", *network.urls]
    done = subprocess.run(
        [sys.executable, "-c", leave, *arguments], capture_output=True, text=True, timeout=WAIT_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    with dronechain.Client(network.urls, tmp_path / "data") as client:
        with client.producer(controller, linger=0.05, heartbeat=math.inf) as producer:
            assert [pending.hash for pending in producer.recovered] == [done.stdout.strip()]
