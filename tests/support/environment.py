"""Environment variables of the test's own process, changed for a part of a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from worker.database import engine
from worker.settings import forget_settings


def with_reader(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, in which a reader's address leads to the same database as DATABASE_URL."""
    reader = {"DATABASE_READER_URL": variables["DATABASE_URL"]} if variables.get("DATABASE_URL") else {}
    return {**reader, **variables}


@contextmanager
def changed_environment(**variables: str) -> Iterator[None]:
    """Set these variables, and read the settings and connect anew. Restore the old variables in the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in with_reader(variables).items():
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
