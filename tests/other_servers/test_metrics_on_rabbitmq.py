"""The metrics on RabbitMQ: what its management plugin tells, and without it what AMQP tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.database import holding_vouchers
from tests.end_to_end.programs import Worker
from tests.metrics.exporter import Exporter, running_exporter
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS, eventually

# Starting RabbitMQ takes long. CI runs these tests before the suite.
pytestmark = pytest.mark.scale
# A database of Valkey for the results.
RESULTS = 15
COUNT = 40
# The last message is not due for this time.
SECONDS = 30
REDEEM = "redemptions.redeem"
TAKEN, READY = ("scrip_queue_messages", "redemptions", "taken"), ("scrip_queue_messages", "redemptions", "ready")
WAITING = ("scrip_queue_messages", "delayed", "waiting")
ACCEPTED = ("scrip_answers_total", "accepted", "", REDEEM)


@contextmanager
def with_taken_messages(database: dict[str, str], rabbit: RabbitMq, folder: Path) -> Iterator[Exporter]:
    """Let a worker hold messages behind a locked voucher and one more wait, and yield an exporter. Then end them."""
    variables = {
        **database,
        "BROKER_URL": rabbit.url,
        "RESULT_BACKEND_URL": with_redis(database, number=RESULTS)["REDIS_URL"],
        "SCRIP_METRICS_FOLDER": str(folder / "metrics"),
        "FLOWER_BROKER_API": getattr(rabbit, "management_url", ""),
    }
    client = CeleryClient(broker_url=rabbit.url, result_backend=variables["RESULT_BACKEND_URL"], **SENDER_CONFIGURATION)
    with (
        Worker(folder=folder / "worker", environment=variables, prefetch_multiplier=COUNT) as worker,
        client,
        running_exporter(variables) as exporter,
    ):
        worker.wait_ready()
        client.create_voucher("HELD")
        with holding_vouchers(variables["DATABASE_URL"]):
            late = client.app.send_task(REDEEM, kwargs={"request": redemption(code="HELD")}, countdown=SECONDS)
            sent = [client.app.send_task(REDEEM, kwargs={"request": redemption(code="HELD")}) for _ in range(COUNT)]
            yield exporter
        for each in (*sent, late):
            each.get(timeout=DEADLINE_SECONDS)
        eventually(lambda: exporter.samples().get(ACCEPTED) == COUNT + 1)


def test_with_the_management_plugin_taken_and_waiting_messages_are_told(
    database: dict[str, str], tmp_path: Path
) -> None:
    """The counters of the worker are the same as on any broker."""
    with (
        RabbitMq(tmp_path / "rabbit", is_managed=True) as rabbit,
        with_taken_messages(database, rabbit, tmp_path) as exporter,
    ):
        eventually(lambda: exporter.samples().get(TAKEN) == COUNT)
        eventually(lambda: exporter.samples().get(WAITING) == 1)
        samples = exporter.samples()
    assert samples[READY] == 0
    assert samples["scrip_broker_up",] == 1
    assert {name for name, *_ in samples}.isdisjoint({"scrip_unreadable_messages", "scrip_queue_oldest_age_seconds"})


def test_without_the_plugin_no_number_claims_to_be_of_taken_messages(database: dict[str, str], tmp_path: Path) -> None:
    """AMQP tells those that are ready."""
    with (
        RabbitMq(tmp_path / "rabbit") as rabbit,
        with_taken_messages(database, rabbit, tmp_path) as exporter,
    ):
        eventually(lambda: exporter.samples().get(READY) == 0)
        samples = exporter.samples()
    assert samples["scrip_broker_up",] == 1
    assert TAKEN not in samples
    assert WAITING not in samples
