"""Fixtures for tests of the batches that a child decides."""

from collections.abc import Iterator

import pytest

from tests.support.environment import changed_environment


@pytest.fixture
def impatience() -> Iterator[None]:
    """Let connections wait only one second for a lock."""
    with changed_environment(SCRIP_LOCK_TIMEOUT_SECONDS="1"):
        yield
