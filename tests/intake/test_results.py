"""The answers of a batch in the result backend: Celery's format, and a bounded delay while the backend is down."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, states
from celery.result import GroupResult

from scrip.stack.listener import LOOPBACK
from tests.other_servers.redis_servers import RedisServer
from tests.support.administrator import empty_broker
from tests.support.waiting import eventually
from worker.fault_points import FaultPoint, InjectedFault
from worker.intake import results
from worker.intake.delivery import Delivery
from worker.intake.dropped_messages import DroppedMessages
from worker.intake.result_store import ResultStore
from worker.intake.results import TaskResult

NOWHERE = "redis://127.0.0.1:1/0"
ELSEWHERE = 12
DAY_SECONDS = 86_400
HOUR = 3_600


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
    empty_broker(url)
    app.close()


# Celery calls setex to store a result.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex")
def test_answers_are_stored_as_celery_stores_them(client: Celery):
    """A caller that waits with `AsyncResult.get` gets the answer, or the error raised."""
    answers = [
        TaskResult(delivery("task-1"), states.SUCCESS, {"outcome": "accepted"}),
        TaskResult(delivery("task-2"), states.FAILURE, ValueError("nothing")),
        TaskResult(delivery("task-3", wants_answer=False), states.SUCCESS, {"outcome": "accepted"}),
    ]
    ResultStore().store(client.backend, answers)
    assert client.AsyncResult("task-1").get(timeout=60) == {"outcome": "accepted"}
    with pytest.raises(ValueError, match="nothing"):
        client.AsyncResult("task-2").get(timeout=60)
    assert client.AsyncResult("task-3").state == states.PENDING
    assert 0 < client.backend.client.ttl("celery-task-meta-task-1") <= DAY_SECONDS


def test_every_question_of_celerys_clients_has_an_answer(client: Celery) -> None:
    """The stored text has no date, no children and no parent."""
    ResultStore().store(
        client.backend,
        [
            TaskResult(delivery("task-6"), states.SUCCESS, {"outcome": "accepted"}),
            TaskResult(delivery("task-7"), states.SUCCESS, {"outcome": "refused"}),
            TaskResult(delivery("task-8"), states.FAILURE, ValueError("nothing")),
        ],
    )
    first, second, failed = (client.AsyncResult(f"task-{number}") for number in (6, 7, 8))
    assert (first.state, first.ready(), first.successful(), first.failed()) == (states.SUCCESS, True, True, False)
    assert (first.traceback, first.children, first.date_done, first.parent) == (None, None, None, None)
    assert (failed.state, failed.successful(), failed.failed(), failed.traceback) == (
        states.FAILURE,
        False,
        True,
        None,
    )
    assert list(first.collect()) == [(first, {"outcome": "accepted"})]
    group = GroupResult("group-1", [first, second], app=client)
    both = [{"outcome": "accepted"}, {"outcome": "refused"}]
    assert group.join(timeout=60) == group.join_native(timeout=60) == both
    assert group.successful()
    first.forget()
    assert client.AsyncResult("task-6").state == states.PENDING


# Celery calls setex to store a result.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex")
def test_a_stored_answer_is_hardly_longer_than_the_answer(client: Celery) -> None:
    """Celery's own text has 90 bytes more, and a space after each comma and colon."""
    answer = {"outcome": "accepted", "redemptionNumber": 7}
    task_id = "0198c1f2-5f1c-7c3e-9d7a-2f6a3c1b9e55"
    ResultStore().store(client.backend, [TaskResult(delivery(task_id), states.SUCCESS, answer)])
    stored = client.backend.client.get(f"celery-task-meta-{task_id}")
    assert json.loads(stored) == {"status": states.SUCCESS, "result": answer, "task_id": task_id}
    assert len(stored) == len(json.dumps(answer, separators=(",", ":"))) + 79
    client.backend.delete(f"celery-task-meta-{task_id}")
    client.backend.store_result(task_id, answer, states.SUCCESS)
    assert client.backend.client.strlen(f"celery-task-meta-{task_id}") > len(stored) + 90


def test_a_late_copy_does_not_replace_a_success(client: Celery):
    """Neither a retry nor a failure replaces a success, which replaces every other state."""
    store = ResultStore()
    late = [TaskResult(delivery("task-5"), state, ValueError("late")) for state in (states.RETRY, states.FAILURE)]
    store.store(client.backend, late)
    assert client.AsyncResult("task-5").state == states.FAILURE
    store.store(client.backend, [TaskResult(delivery("task-5"), states.SUCCESS, {"outcome": "accepted"})])
    store.store(client.backend, late)
    assert client.AsyncResult("task-5").get(timeout=60) == {"outcome": "accepted"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a result store that a test can fill, break and kill."""
    (tmp_path / "data").mkdir()
    with RedisServer(tmp_path / "store", save="3600 1", appendonly="no", dir=tmp_path / "data") as running:
        yield running


@pytest.fixture
def backend(server: RedisServer) -> Iterator[Any]:
    """Yield the backend of an app with results in that server."""
    app = Celery("client", broker=server.url, backend=server.url, set_as_current=False)
    yield app.backend
    app.close()


def fill(server: RedisServer, folder: Path) -> None:  # noqa: ARG001 - as the next function
    """Let the server have no memory left."""
    server.client.config_set("maxmemory", "1")


def break_disk(server: RedisServer, folder: Path) -> None:
    """Let the server fail to write a snapshot, after which it refuses every change."""
    shutil.rmtree(folder)
    server.client.bgsave()
    eventually(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err")


@pytest.mark.parametrize("harm", [fill, break_disk])
def test_a_store_that_refuses_to_write_raises_no_error(
    server: RedisServer, backend: Any, tmp_path: Path, harm: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The effects are committed, so the batch must not fail."""
    harm(server, tmp_path / "data")
    store = ResultStore(pause_seconds=HOUR)
    store.store(backend, [TaskResult(delivery("task-9"), states.SUCCESS, {})])
    assert store.is_down
    assert "the result store is down" in caplog.text


def test_answers_wait_for_a_store_that_is_down(
    server: RedisServer, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """They are stored as soon as it is back, in their order, without another batch. The log says so once each."""
    store = ResultStore(pause_seconds=0.01)
    server.kill()
    for state in (states.RETRY, states.SUCCESS):
        store.store(backend, [TaskResult(delivery("task-10"), state, {"outcome": "accepted"})])
    for number in range(600):
        store.store(backend, [TaskResult(delivery(f"many-{number}"), states.SUCCESS, {})])
    assert store.is_down
    server.start()
    eventually(lambda: not store.is_down)
    stored = json.loads(str(server.client.get("celery-task-meta-task-10")))
    assert (stored["status"], stored["result"]) == (states.SUCCESS, {"outcome": "accepted"})
    assert server.client.dbsize() == 601
    store.store(backend, [TaskResult(delivery("task-14"), states.SUCCESS, {})])
    assert server.client.dbsize() == 602
    said = [record.message for record in caplog.records if record.name == "worker.intake.result_store"]
    assert said == [
        "the result store is down (ConnectionError): answers wait for it",
        "the result store is back, 0 answers were dropped",
    ]


def test_a_child_that_ends_stores_its_last_answers(server: RedisServer, backend: Any) -> None:
    """The store is back, but the thread has not tried it again."""
    store = ResultStore(pause_seconds=HOUR)
    server.kill()
    store.store(backend, [TaskResult(delivery("task-15"), states.SUCCESS, {})])
    server.start()
    store.end(backend)
    assert server.client.exists("celery-task-meta-task-15")


def test_a_child_that_ends_tries_more_than_once(
    server: RedisServer, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last attempt may meet the end of an outage."""
    store = ResultStore(pause_seconds=HOUR)
    failures = [InjectedFault(None, None, ConnectionError())] * 3

    def fail(_point: FaultPoint) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(results, "reach", fail)
    store.store(backend, [TaskResult(delivery("task-16"), states.SUCCESS, {})])
    store.end(backend)
    assert failures == []
    assert server.client.exists("celery-task-meta-task-16")


def test_answers_that_wait_are_bounded(server: RedisServer, backend: Any) -> None:
    """The oldest are dropped. Their callers can send the same requests again."""
    store = ResultStore(pause_seconds=HOUR, kept_characters_max=1_000)
    server.kill()
    for number in range(100):
        store.store(backend, [TaskResult(delivery(f"bounded-{number}"), states.SUCCESS, {"text": "a" * 100})])
    server.start()
    store.end(backend)
    assert 1 < server.client.dbsize() < 10
    assert server.client.exists("celery-task-meta-bounded-99")


def test_a_store_that_does_not_answer_holds_up_a_child_once() -> None:
    """The next batches do not wait for it. Without this, each would wait for the timeout."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        silent.settimeout(0)
        url = f"redis://{LOOPBACK}:{silent.getsockname()[1]}/0"
        app = Celery("client", broker=url, backend=url, set_as_current=False)
        app.conf.update(redis_socket_timeout=0.6, redis_socket_connect_timeout=0.6)
        store = ResultStore(pause_seconds=HOUR)
        for _ in range(5):
            store.store(app.backend, [TaskResult(delivery("task-11"), states.SUCCESS, {})])
        assert connection_count(silent) == 1
        app.close()


def connection_count(server: socket.socket) -> int:
    """Return how many clients have connected to a server that has accepted none yet."""
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.slow
def test_an_error_of_any_backend_is_no_error_of_the_task(tmp_path: Path) -> None:
    """The folder of this SQLite database does not exist, which SQLAlchemy reports with an error of its own."""
    app = Celery("client", backend=f"db+sqlite:///{tmp_path}/nowhere/results.db", set_as_current=False)
    app.conf.database_create_tables_at_setup = False
    store = ResultStore(pause_seconds=HOUR)
    store.store(app.backend, [TaskResult(delivery("task-12"), states.SUCCESS, {})])
    assert store.is_down
    app.close()


def test_the_caller_of_a_dropped_message_is_told_through_a_socket_file_too(tmp_path: Path) -> None:
    """There is no timeout for connecting to a socket file."""
    with RedisServer(tmp_path / "store", unixsocket=tmp_path / "redis.sock") as server:
        app = Celery("client", backend=f"redis+socket://{tmp_path}/redis.sock", set_as_current=False)
        DroppedMessages(app).store_failure({"id": "task-13"}, ValueError("nothing"))
        assert json.loads(str(server.client.get("celery-task-meta-task-13")))["status"] == states.FAILURE
        app.close()
