"""Impatience, so that a wait for a lock of another project fails soon."""

from collections.abc import Iterator

import pytest

from tests.support.environment import changed_environment


@pytest.fixture
def impatience() -> Iterator[None]:
    """Let a transaction wait one second for a lock that another one never gives up."""
    with changed_environment(SCRIP_LOCK_TIMEOUT_SECONDS="1"):
        yield
