"""The package itself: everything is typed, documented and exported."""

from __future__ import annotations

import inspect

import dronechain
import pytest
from dronechain import errors

PUBLIC = [getattr(dronechain, name) for name in dronechain.__all__]


def test_every_name_is_exported_once() -> None:
    assert sorted(set(dronechain.__all__)) == sorted(dronechain.__all__)
    assert set(errors.__all__) < set(dronechain.__all__)
    compiled = {name for name in dir(dronechain._dronechain) if not name.startswith("_")}
    assert compiled < set(dronechain.__all__)


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: str(thing.__name__))
def test_everything_has_a_docstring(thing: object) -> None:
    assert inspect.getdoc(thing)
    if not inspect.isclass(thing) or issubclass(thing, Exception):
        return
    for name, member in vars(thing).items():
        if not name.startswith("_"):
            assert member.__doc__, f"{thing.__name__}.{name}"


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_one_of_the_family(name: str) -> None:
    error = getattr(dronechain, name)
    assert issubclass(error, dronechain.DroneChainError)
    assert isinstance(error.is_retryable, bool)
    assert error is getattr(errors, name)


def test_classes_name_the_package_as_their_home() -> None:
    for thing in PUBLIC:
        if inspect.isclass(thing):
            assert thing.__module__ in ("dronechain", "dronechain.errors")
