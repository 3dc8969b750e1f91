"""Flower on RabbitMQ: with the management plugin it shows all counts, without it those that AMQP tells."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.database import holding_vouchers
from tests.end_to_end.flower import Flower
from tests.end_to_end.programs import Worker
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS, eventually
from worker.queues import QUEUES, UNNAMED_QUEUE

SHOWN = (*QUEUES, UNNAMED_QUEUE)

# Starting RabbitMQ takes long. CI runs these tests before the suite.
pytestmark = pytest.mark.scale
# A database of Valkey for the results.
RESULTS = 15
COUNT = 40
# The last message is not due for this time.
SECONDS = 30
REDEEM = "redemptions.redeem"


@contextmanager
def with_taken_messages(variables: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Let a worker hold messages behind a locked voucher, and let one more wait until it is due."""
    client = CeleryClient(
        broker_url=variables["BROKER_URL"], result_backend=variables["RESULT_BACKEND_URL"], **SENDER_CONFIGURATION
    )
    with Worker(folder=folder / "worker", environment=variables, prefetch_multiplier=COUNT) as worker, client:
        worker.wait_ready()
        client.create_voucher("HELD")
        with holding_vouchers(variables["DATABASE_URL"]):
            late = client.app.send_task(REDEEM, kwargs={"request": redemption(code="HELD")}, countdown=SECONDS)
            sent = [client.app.send_task(REDEEM, kwargs={"request": redemption(code="HELD")}) for _ in range(COUNT)]
            yield
        for each in (*sent, late):
            each.get(timeout=DEADLINE_SECONDS)


def variables_of(database: Mapping[str, str], rabbit: RabbitMq) -> dict[str, str]:
    """Return the variables of a worker and of Flower on that broker."""
    results = with_redis(database, number=RESULTS)["REDIS_URL"]
    return {**database, "BROKER_URL": rabbit.url, "RESULT_BACKEND_URL": results}


def test_the_management_plugin_tells_all_counts(database: dict[str, str], tmp_path: Path) -> None:
    """Those of the queues in which messages wait until they are due are shown too."""
    with RabbitMq(tmp_path / "rabbit", is_managed=True) as rabbit:
        variables = variables_of(database, rabbit) | {"FLOWER_BROKER_API": rabbit.management_url}
        with (
            with_taken_messages(variables, tmp_path),
            Flower(folder=tmp_path / "flower", environment=variables) as flower,
        ):
            eventually(flower.is_answering)
            eventually(lambda: flower.queue_lengths().items() >= {"redemptions": COUNT, "billing": 0}.items())
            eventually(lambda: len(flower.queue_lengths()) > len(SHOWN))
            lengths, page = flower.queue_lengths(), flower.broker_page()
    waiting = {name: count for name, count in lengths.items() if name not in SHOWN}
    messages, unacknowledged, ready, *_ = page["redemptions"]
    assert (messages, unacknowledged, ready) == (str(COUNT), str(COUNT), "0")
    assert list(waiting.values()) == [1]
    assert next(iter(waiting)).startswith("celery_delayed_")


def test_without_the_plugin_flower_shows_what_waits_and_no_sum(database: dict[str, str], tmp_path: Path) -> None:
    """AMQP does not tell what workers have taken, so no number claims to be the length."""
    with RabbitMq(tmp_path / "rabbit") as rabbit:
        variables = variables_of(database, rabbit)
        with (
            with_taken_messages(variables, tmp_path),
            Flower(folder=tmp_path / "flower", environment=variables) as flower,
        ):
            eventually(flower.is_answering)
            eventually(lambda: flower.broker_page()["redemptions"][2:4] == ["0", "1"])
            page = flower.broker_page()
    assert set(page) == set(SHOWN)
    assert page["redemptions"][:2] == ["—", "—"]
