"""Real nodes, and what was made with them. Nothing is kept in the tree."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dronechain
import pytest

from network import WAIT_S, Network


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Three nodes, for as long as the tests run."""
    folder = os.environ.get("DRONECHAIN_BIN")
    if folder is None:
        pytest.skip("DRONECHAIN_BIN does not name the folder of dronechain-node and dronechain")
    network = Network(Path(folder).resolve(), tmp_path_factory.mktemp("network"))
    yield network
    network.end()


@pytest.fixture
def client(network: Network, tmp_path: Path) -> Iterator[dronechain.Client]:
    """A client of all three nodes."""
    with dronechain.Client(network.urls, tmp_path / "data") as client:
        yield client


@pytest.fixture
def key() -> dronechain.SigningKey:
    """A key that no node knows."""
    return dronechain.SigningKey.generate()


@pytest.fixture
def controller(network: Network) -> dronechain.SigningKey:
    """The key of a controller that was admitted, and never anchored."""
    key = dronechain.SigningKey.generate()
    network.admit(key.public_key)
    return key


@dataclass(frozen=True)
class Anchored:
    """Files with their receipts, and headers that reach beyond them."""

    sender: str
    files: list[bytes]
    receipts: list[dronechain.Receipt]
    long_hash: str
    long_receipt: dronechain.Receipt
    headers: dronechain.Headers


@pytest.fixture(scope="session")
def anchored(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Anchored:
    """Five files of one batch, and one by its hash alone."""
    key = dronechain.SigningKey.generate()
    network.admit(key.public_key)
    files = [f"file {number}".encode() for number in range(5)]
    long_hash = "ab" * 32
    with dronechain.Client(network.urls, tmp_path_factory.mktemp("anchored")) as client:
        with client.producer(key, heartbeat=math.inf) as producer:
            handles = producer.send_all([*files, dronechain.Record(hash=long_hash)])
            *receipts, long_receipt = [pending.confirmations(3, timeout=WAIT_S) for pending in handles]
        headers = client.headers()
    return Anchored(key.public_key, files, receipts, long_hash, long_receipt, headers)


@dataclass(frozen=True)
class Flight:
    """A simulated flight's records and receipts as the command line exports them."""

    folder: Path
    device: str
    headers: dronechain.Headers
    count: int
    export: Callable[[Path], None]
    """Exports evidence of the same records as of now."""
    revoke: Callable[[int], None]
    """Revokes the drone: what it signed from a height on is in doubt."""


@pytest.fixture(scope="session")
def flight(network: Network) -> Flight:
    """Flown through a real controller and a real cloud server."""
    drone, controller = network.keygen("drone"), network.keygen("controller")
    network.admit(controller)
    data, cli = network.folder, network.programs / "dronechain"

    def server(name: str, *arguments: str | Path) -> str:
        ready = data / f"{name}.ready"
        listen = ("--listen", "127.0.0.1:0", "--set", f'ready_file="{ready}"')
        run = [cli, name, "run", "--data", data / name, *listen, "--node", network.urls[0], *arguments]
        return network.start(name, run, ready).http

    cloud = server("cloud")
    url = server("controller", "--key", network.key("controller"), "--cloud", cloud)
    network.cli(
        *("device", "enrol", "--device-key", network.key("drone"), "--controller", url),
        *("--cookie", data / "controller" / "cookie", "--kind", "multicopter", "--area", "test", "--wait"),
    )
    replay = ("drone", "replay", "--log", "simulated", "--every", "5s", "--key", network.key("drone"))
    flown = json.loads(network.cli(*replay, "--controller", url, "--json"))

    def export(out: Path) -> None:
        network.cli(
            *("receipt", "get", "--device", drone, "--cloud", cloud, "--node", network.urls[0]),
            *("--confirmations", "2", "--out", out, "--follow"),
        )
        network.cli("headers", "export", "--node", network.urls[0], "--out", out / "headers.bin")

    def revoke(suspect_since: int) -> None:
        network.cli(
            *("device", "revoke", "--device", drone, "--suspect-since", str(suspect_since), "--wait"),
            *("--controller", url, "--cookie", data / "controller" / "cookie"),
        )

    out = data / "evidence"
    export(out)
    headers = dronechain.Headers.load(out / "headers.bin")
    return Flight(out, drone, headers, flown["records"], export, revoke)


@pytest.fixture
def open_producer(
    client: dronechain.Client, controller: dronechain.SigningKey
) -> Iterator[Callable[..., dronechain.Producer]]:
    """Opens producers of an admitted controller, without heartbeats, and closes them."""
    opened: list[dronechain.Producer] = []

    def open_producer(**config: object) -> dronechain.Producer:
        settings: dict[str, object] = {"heartbeat": math.inf, "linger": 0.05, **config}
        producer = client.producer(controller, **settings)  # type: ignore[arg-type]
        opened.append(producer)
        return producer

    yield open_producer
    for producer in opened:
        try:
            producer.close(0)
        except dronechain.PendingError:
            # What a test leaves in the outbox goes with its folder.
            pass
