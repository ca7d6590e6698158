"""The commands of README.md do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import dronechain
import pytest

from network import Network

README = Path(__file__).parent.parent / "README.md"


def test_five_minutes_lead_to_evidence(
    network: Network,
    controller: dronechain.SigningKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 2
    controller.save(tmp_path / "controller.key")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        for port, url in zip((7700, 7701), network.urls):
            block = block.replace(f"http://127.0.0.1:{port}", url)
        # Each by itself: the second has the files alone.
        exec(compile(block, str(README), "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("not later than 20")
    assert first.endswith(f"by {controller.public_key}")
    assert second.startswith("record - record altered")
