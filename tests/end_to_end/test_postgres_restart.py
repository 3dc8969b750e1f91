"""Postgres crashes under load and restarts: every request is decided once, and every caller gets an answer."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from scrip.stack.data_folder import locked_data_folder
from scrip.stack.postgres_server import Postgres
from tasks.audit.audit import CHECKS, run_check
from tests.end_to_end.broker import Json, with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows, waiting_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher, granted_discount
from tests.support.requests import invoice, redemption
from tests.support.schema import migrate
from tests.support.waiting import eventually, pause

pytestmark = pytest.mark.slow

# A database of Valkey for the worker of this test.
RESTARTED = 7


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """Run a Postgres server of the test's own, with empty tables."""
    with locked_data_folder(tmp_path / "home"):
        server = Postgres(data_folder=tmp_path / "home", environment=os.environ)
        try:
            server.create(pause)
            server.spawn()
            server.wait_ready(pause)
            migrate(server.role_urls)
            yield server
        finally:
            server.stop()


@pytest.fixture
def worker(environment: dict[str, str], postgres: Postgres, tmp_path: Path) -> Iterator[Worker]:
    """Run a worker on that server."""
    variables = with_redis(environment, number=RESTARTED) | {"DATABASE_URL": postgres.role_urls["DATABASE_URL"]}
    with Worker(folder=tmp_path / "worker", environment=variables) as worker:
        yield worker.wait_ready()
        worker.wait_until_acknowledged()


def crash(server: Postgres) -> None:
    """End the server at once, without a checkpoint and without a warning to its clients."""
    postmaster = int((server.cluster / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGQUIT)
    eventually(lambda: server.exit_code() is not None)
    server.kill()


def audit(url: str) -> list[object]:
    """Return every violation that the audit finds in the database."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session:
        violations: list[object] = [each for check in CHECKS for each in run_check(session, check=check)]
    engine.dispose()
    return violations


def test_requests_survive_a_crash_of_postgres(postgres: Postgres, worker: Worker) -> None:
    """One batch is in the middle of its transaction, others are decided already, most still wait.

    The test is one long function, since every step needs the requests and locks of the steps before.
    """
    url = postgres.url
    with Client(worker.environment) as client:
        granted_discount(client, subscription="sub_1", name="Granted")
        held, other = created_voucher(client, name="Held"), created_voucher(client, name="Open")
        in_the_middle = [redemption(voucher=held) for _ in range(50)]
        singles = [redemption(voucher=other) for _ in range(150)]
        batches = [[redemption(voucher=other) for _ in range(50)] for _ in range(3)]
        invoices = [invoice(subscription="sub_1") for _ in range(50)]

        holder = psycopg.connect(url)
        holder.execute("SELECT 1 FROM vouchers WHERE name = 'Held' FOR UPDATE")
        sent = [(in_the_middle, client.send("redemptions.redeem_many", {"requests": in_the_middle}))]
        eventually(lambda: waiting_for_locks(url))
        sent += [([request], client.send("redemptions.redeem", request)) for request in singles]
        sent += [(batch, client.send("redemptions.redeem_many", {"requests": batch})) for batch in batches]
        billed = [client.send("billing.apply", request) for request in invoices[:25]]
        billed_together = client.send("billing.apply_many", {"invoices": invoices[25:]})
        eventually(lambda: rows(url, "SELECT 1 FROM redemptions OFFSET 20 LIMIT 1"))

        crash(postgres)
        holder.close()
        # A task meets the fault while the server is down.
        worker.eventually(lambda: "the database is away" in worker.log)
        postgres.spawn()
        postgres.wait_ready(pause)

        answers: list[Json] = []
        for requests, task in sent:
            answer = client.answer(task)
            items = answer.get("items", [answer])
            assert [item["requestId"] for item in items] == [request["requestId"] for request in requests]
            answers += items
        assert {answer["outcome"] for answer in answers} == {"accepted"}
        discounted = [client.answer(task) for task in billed] + client.answer(billed_together)["items"]
        assert [answer["invoice"] for answer in discounted] == [request["invoice"] for request in invoices]
        assert {answer["discountTotal"] for answer in discounted} == {800}

        counts = {"Granted": 1, "Held": 50, "Open": 300}
        assert dict(rows(url, "SELECT name, redemptions FROM vouchers")) == counts
        assert rows(url, "SELECT count(*) FROM redemptions") == [(sum(counts.values()),)]
        assert rows(url, "SELECT count(*), sum(amount_minor) FROM usage_entries") == [(50, 50 * 800)]
        again = {"requests": [request for requests, _ in sent for request in requests]}
        assert client.ask("redemptions.redeem_many", again)["items"] == answers
        assert audit(url) == []
