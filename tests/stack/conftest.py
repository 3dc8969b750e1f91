"""A data folder and a Procfile that tests of `scrip up` share."""

from pathlib import Path

import pytest

from tests.stack.running import idle, write_procfile


@pytest.fixture(scope="session")
def used_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder for many tests in turn. With existing databases a start is quicker."""
    return tmp_path_factory.mktemp("used_data_folder") / "home"


@pytest.fixture
def idle_procfile(tmp_path: Path) -> Path:
    """Return a Procfile with a single program, which does nothing."""
    return write_procfile(tmp_path, f"idle: {idle(tmp_path)}")
