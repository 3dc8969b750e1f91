"""The lines of the Procfile, with which every way of deploying is compared."""

from collections.abc import Mapping

import pytest

from scrip.stack.procfile import PROCFILE, read_procfile


@pytest.fixture(scope="session")
def programs() -> Mapping[str, list[str]]:
    """Return the Procfile's lines."""
    return {name: list(words) for name, words in read_procfile(PROCFILE).items()}
