"""Environment variables of the test's own process, changed for a part of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from worker.database import engine
from worker.settings import forget_settings


@contextmanager
def changed_environment(**variables: str) -> Iterator[None]:
    """Set these variables, and read the settings and connect anew. Restore the old variables in the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        _begin_anew()
        try:
            yield
        finally:
            _begin_anew()


def _begin_anew() -> None:
    engine().dispose()
    engine.cache_clear()
    forget_settings()
