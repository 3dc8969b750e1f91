"""What a test says in the environment of its own process."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from worker.database import engine
from worker.settings import forget_settings


@contextmanager
def changed_environment(**variables: str) -> Iterator[None]:
    """This context will have settings read, and connections made, by these variables, and by the old ones after it."""
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
