"""The tasks that a setting names are refused in Celery's default queue, by an error that names the right queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.broker import UNNAMED, with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts
from tests.end_to_end.programs import Worker
from tests.signing.conftest import SIGNED
from tests.support.environment import changed_environment
from tests.support.requests import redemption, voucher_body
from worker.intake.arrival import wrong_queue_of

REFUSED = "vouchers.*,billing.reverse"


@pytest.fixture
def refusing() -> Iterator[None]:
    """Refuse some tasks in Celery's default queue."""
    with changed_environment(SCRIP_UNNAMED_QUEUE_REFUSES=REFUSED):
        yield


@pytest.mark.usefixtures("environment", "refusing")
@pytest.mark.parametrize(
    ("task", "queue", "wrong"),
    [
        ("vouchers.create", UNNAMED, UNNAMED),
        ("billing.reverse", UNNAMED, UNNAMED),
        ("vouchers.create", "admin", None),
        ("billing.reverse", "billing", None),
        ("billing.apply", UNNAMED, None),
        ("billing.reverse_all", UNNAMED, None),
        ("vouchers", UNNAMED, None),
    ],
)
def test_names_and_prefixes_are_refused_there_and_nowhere_else(task: str, queue: str, wrong: str | None) -> None:
    """A prefix ends at a dot."""
    assert wrong_queue_of({"routing_key": queue}, task=task) == wrong


@pytest.mark.usefixtures("environment")
def test_nothing_is_refused_unless_it_is_named() -> None:
    """Celery's clients name no queue unless they are told to."""
    assert wrong_queue_of({"routing_key": UNNAMED}, task="vouchers.create") is None


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_refuses_them(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """The caller is told where to send the request, and nothing is written."""
    variables = with_redis(database, number=SIGNED - 1) | {"SCRIP_UNNAMED_QUEUE_REFUSES": REFUSED}
    with Worker(folder=tmp_path / pool, environment=variables, pool=pool) as worker, Client(variables) as client:
        worker.wait_ready()
        outcome = client.outcome(client.send("vouchers.create", voucher_body(), queue=UNNAMED))
        text = "vouchers.create came by the queue celery, and nothing was done: send it to admin"
        assert (outcome["result"]["exc_type"], outcome["result"]["exc_message"]) == ("WrongQueue", [text])
        assert row_counts(variables["DATABASE_URL"]) == {}
        answer = client.ask("redemptions.redeem", redemption(code="NONE"), queue=UNNAMED)
        assert answer["reason"] == "voucher_not_found"
        worker.wait_until_acknowledged()
