"""A worker that answers signed messages only, on a database of Valkey of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import close_connections
from tests.end_to_end.programs import Worker
from tests.signing.signing import ED25519, Key, write_secret, write_signers

SIGNED = 15


class Signed(NamedTuple):
    """A worker that answers signed messages, a client, and the keys of the file."""

    worker: Worker
    client: Client
    # Sends every task for the project gigs.
    gigs: Key
    # Sends redemptions for the project acme.
    acme: Key
    # Scrip's own.
    own: Key
    file: Path

    @property
    def url(self) -> str:
        """The URL of the worker's database."""
        return self.worker.environment["DATABASE_URL"]

    def restore_file(self) -> None:
        """Write the file with its three keys."""
        write_signers(self.file, self.gigs, self.acme, self.own)


@pytest.fixture(scope="session", autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the connections to databases after the last test."""
    yield
    close_connections()


def signing_variables(variables: dict[str, str], folder: Path, *keys: Key, own: Key) -> dict[str, str]:
    """Return the variables of a process with files of those keys and of Scrip's own."""
    return variables | {
        "SCRIP_SIGNERS_FILE": str(write_signers(folder / "signers.json", *keys, own)),
        "SCRIP_SIGNING_KEY_FILE": str(write_secret(folder / "own.json", own.own())),
        "SCRIP_LOCK_TIMEOUT_SECONDS": "1",
        "SCRIP_METRICS_FOLDER": str(folder / "metrics"),
    }


@pytest.fixture(scope="module")
def running_signed(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """Run the worker for a module."""
    folder = tmp_path_factory.mktemp("signed")
    gigs = Key("gigs-1", projects=["gigs"])
    acme = Key("acme-1", ED25519, projects=["acme"], tasks=["redemptions.*"])
    own = Key("scrip-1", ED25519, projects=["*"])
    variables = signing_variables(with_redis(environment, number=SIGNED), folder, gigs, acme, own=own)
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        yield Signed(worker.wait_ready(), client, gigs, acme, own, Path(variables["SCRIP_SIGNERS_FILE"]))


@pytest.fixture
def signed(database: dict[str, str], running_signed: Signed) -> Iterator[Signed]:  # noqa: ARG001 - emptied first
    """Yield the worker on an empty database. Every message is acknowledged afterwards."""
    running_signed.worker.restart_if_stuck()
    yield running_signed
    running_signed.restore_file()
    running_signed.worker.wait_until_acknowledged()
