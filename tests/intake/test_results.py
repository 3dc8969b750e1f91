"""The answers of a batch in the result backend: Celery's format, and a bounded delay while the backend is down."""

import json
import time
from collections.abc import Iterator

import pytest
from celery import Celery, states

from worker.intake.delivery import Delivery
from worker.intake.results import ResultStore, TaskResult

NOWHERE = "redis://127.0.0.1:1/0"
ELSEWHERE = 12
DAY_SECONDS = 86_400


def delivery(task_id: str, *, wants_answer: bool = True) -> Delivery:
    """Return a message without arguments."""
    return Delivery(
        id=task_id,
        args=[],
        kwargs={},
        retries=0,
        redelivered=False,
        wants_answer=wants_answer,
        group="group-1",
        parent=None,
        original=None,
    )


@pytest.fixture
def client(environment: dict[str, str]) -> Iterator[Celery]:
    """Yield an app with results in a separate Redis database."""
    url = environment["REDIS_URL"].removesuffix("0") + str(ELSEWHERE)
    app = Celery("client", broker=url, backend=url, set_as_current=False)
    yield app
    app.backend.client.flushdb()
    app.close()


# Celery calls setex to store a result.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex")
def test_answers_are_stored_as_celery_stores_them(client: Celery):
    """A caller that waits with `AsyncResult.get` gets the answer, or the error raised."""
    answers = [
        TaskResult(delivery("task-1"), states.SUCCESS, {"outcome": "accepted"}),
        TaskResult(delivery("task-2"), states.FAILURE, ValueError("nothing"), "where it was"),
        TaskResult(delivery("task-3", wants_answer=False), states.SUCCESS, {"outcome": "accepted"}),
    ]
    client.backend.store_result("reference", {"outcome": "accepted"}, states.SUCCESS)
    ResultStore().store(client.backend, answers)
    assert client.AsyncResult("task-1").get(timeout=60) == {"outcome": "accepted"}
    with pytest.raises(ValueError, match="nothing"):
        client.AsyncResult("task-2").get(timeout=60)
    assert client.AsyncResult("task-3").state == states.PENDING
    broker = client.backend.client
    stored, reference = (json.loads(broker.get(f"celery-task-meta-{name}")) for name in ("task-1", "reference"))
    assert stored.keys() == reference.keys() | {"group_id"}
    assert 0 < broker.ttl("celery-task-meta-task-1") <= DAY_SECONDS


def test_a_late_copy_does_not_replace_a_success(client: Celery):
    """Neither a retry nor a failure replaces a success, which replaces every other state."""
    store = ResultStore()
    late = [TaskResult(delivery("task-5"), state, ValueError("late")) for state in (states.RETRY, states.FAILURE)]
    store.store(client.backend, late)
    assert client.AsyncResult("task-5").state == states.FAILURE
    store.store(client.backend, [TaskResult(delivery("task-5"), states.SUCCESS, {"outcome": "accepted"})])
    store.store(client.backend, late)
    assert client.AsyncResult("task-5").get(timeout=60) == {"outcome": "accepted"}


def test_a_store_that_is_down_is_tried_so_often_and_then_once(client: Celery, caplog: pytest.LogCaptureFixture):
    """The log reports the outage once, and the end of the outage once."""
    answers = [TaskResult(delivery("task-4"), states.SUCCESS, {})]
    down = Celery("down", broker=NOWHERE, backend=NOWHERE, set_as_current=False)
    store = ResultStore(pauses_seconds=(0.2, 0.3))
    durations = []
    for _ in range(3):
        started = time.monotonic()
        store.store(down.backend, answers)
        durations.append(time.monotonic() - started)
    assert durations[0] >= 0.5
    store.store(client.backend, answers)
    store.store(client.backend, answers)
    said = [record.message for record in caplog.records if record.name == "worker.intake.results"]
    assert said == [
        "the result store is down (ConnectionError): answers are kept in the database only",
        "the result store is back",
    ]
    down.close()
