"""What the tests over real HTTP share: a sandbox with a small company, a first sync of all its streams, long lists."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.harness import Message, Output, catalog_of, discover, run
from integration_tests.long_lists import LongSage
from integration_tests.sandbox import Company, Sandbox


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """A company that no test changes."""
    with Sandbox(size="small", seed=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def streams(box: Sandbox) -> dict[str, Message]:
    """The catalog's streams by name."""
    return {stream["name"]: stream for stream in discover(box.config())}


@pytest.fixture(scope="session")
def first_sync(box: Sandbox, streams: dict[str, Message]) -> Output:
    """All streams read once."""
    box.clear_requests()
    return run("read", box.config(), catalog=catalog_of(streams.values()))


@pytest.fixture
def company(box: Sandbox) -> Company:
    """The first business of the sandbox, of a test module's own where it has one."""
    return box.businesses[0]


@pytest.fixture
def sage() -> Iterator[LongSage]:
    """A double without lists."""
    with LongSage() as double:
        yield double
