"""A network of real nodes on free loopback ports, made and fed by the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

WAIT_S = 120.0
"""Longer than anything here takes, however busy the machine."""


def until(what: str, found: Callable[[], T | None], *, wait_s: float = WAIT_S) -> T:
    """What ``found`` gives once it gives something."""
    end = time.monotonic() + wait_s
    while (value := found()) is None:
        assert time.monotonic() < end, f"no {what} after {wait_s} s"
        time.sleep(0.02)
    return value


class Running:
    """A program in the background, ended by its id."""

    def __init__(self, name: str, arguments: Sequence[str | Path], folder: Path, ready: Path) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )
        try:
            self.addresses: dict[str, str] = until(name, lambda: self._read(ready))
        except BaseException:
            self.end()
            raise

    def _read(self, ready: Path) -> dict[str, str] | None:
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        try:
            addresses: dict[str, str] = json.loads(ready.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return addresses

    @property
    def http(self) -> str:
        return f"http://{self.addresses['http']}"

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Network:
    """Three nodes and an admin. Two of three must run: nobody makes two blocks in a row."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.running: list[Running] = []
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        admin = self.keygen("admin")
        self.node_keys = [self.keygen(f"node{i}") for i in range(3)]
        nodes = [f"--node={key}" for key in self.node_keys]
        spec = self.folder / "network.toml"
        self.node(
            "network", "new", "--template", "dev", "--admin", admin, "--threshold", "1", *nodes, "--out", spec
        )
        peers: list[str] = []
        for i in range(3):
            data, key, ready = (self.folder / f"node{i}{end}" for end in ("", ".key", ".ready"))
            self.node("init", "--spec", spec, "--data", data, "--key", key)
            run = ("run", "--data", data, "--key", key, "--ready-file", ready)
            ports = ("--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0")
            node = self.start(f"node{i}", [self.programs / "dronechain-node", *run, *ports, *peers], ready)
            peers += ["--peer", node.addresses["p2p"]]
        self.urls = [node.http for node in self.running]

    def start(self, name: str, arguments: Sequence[str | Path], ready: Path) -> Running:
        running = Running(name, arguments, self.folder, ready)
        self.running.append(running)
        return running

    def end(self) -> None:
        for running in reversed(self.running):
            running.end()

    def node(self, *arguments: str | Path) -> str:
        return self._run("dronechain-node", *arguments)

    def cli(self, *arguments: str | Path) -> str:
        return self._run("dronechain", *arguments)

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self.programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1"},
            timeout=WAIT_S,
        )
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def keygen(self, name: str) -> str:
        """Makes a key file; its public half."""
        return self.cli("keygen", "--out", self.key(name)).strip()

    def admit(self, public_key: str) -> None:
        """Admits a controller, and waits for the block."""
        self._decide("admit", "--role", "controller", "--key", public_key)

    def revoke(self, public_key: str) -> None:
        """Revokes a controller, and waits for the block."""
        self._decide("revoke", "--key", public_key)

    def _decide(self, *what: str) -> None:
        by = ("--admin-key", self.key("admin"), "--node", self.urls[0], "--wait", "1")
        self.cli("admin", *what, *by)
