"""The attacks of tests/abuse where RabbitMQ differs: it hands over bodies, headers and broadcasts in its own way."""

import bz2
import json
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection

from tests.end_to_end.broker import Broker, Json, with_redis
from tests.end_to_end.programs import Worker
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS, eventually

# Starting RabbitMQ takes long. CI runs these tests before the suite.
pytestmark = pytest.mark.scale
RESULTS = 15
MEGABYTE = 2**20
REDEEM = "redemptions.redeem"
BODY = json.dumps([[], {"request": redemption(code="NONE")}, {}]).encode()
NOTE: Json = {"task": "shop.note", "args": [], "kwargs": {}, "options": {"queue": "shop"}}


class Attacked:
    """A worker on RabbitMQ, with a client and the results."""

    def __init__(self, worker: Worker, client: CeleryClient, results: Broker) -> None:
        """Remember the process."""
        self.worker, self.client, self.results, self._process = worker, client, results, worker.process

    def publish(self, body: bytes, *, encoding: str = "utf-8", **headers: Any) -> str:
        """Publish a body with those headers, and return the task's id."""
        task_id = str(uuid4())
        with Connection(self.worker.environment["BROKER_URL"]) as connection:
            connection.Producer().publish(
                body,
                routing_key="redemptions",
                headers={"id": task_id, "task": REDEEM, **headers},
                content_type="application/json",
                content_encoding=encoding,
            )
        return task_id

    def error(self, task_id: str) -> Json:
        """Wait until a task has failed, and return its error."""
        outcome = self.worker.eventually(lambda: self.results.outcome(task_id))
        assert outcome["status"] == "FAILURE", outcome
        error: Json = outcome["result"]
        return error

    def assert_unharmed(self) -> None:
        """Check that the same process answers the next request."""
        assert self.client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"
        assert self.worker.process is self._process
        assert self.worker.is_alive()


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Run RabbitMQ and a worker for the module."""
    folder = tmp_path_factory.mktemp("attacked")
    results = with_redis(environment, number=RESULTS)
    with RabbitMq(folder / "rabbit") as rabbit:
        variables = {**environment, "BROKER_URL": rabbit.url, "RESULT_BACKEND_URL": results["REDIS_URL"]}
        addresses = {"broker_url": rabbit.url, "result_backend": results["REDIS_URL"]}
        with (
            Worker(folder=folder / "worker", environment=variables) as worker,
            CeleryClient(**addresses, **SENDER_CONFIGURATION) as client,
        ):
            yield Attacked(worker.wait_ready(), client, Broker(results))


@pytest.fixture
def attacked(database: dict[str, str], running: Attacked) -> Attacked:  # noqa: ARG001 - emptied, then audited
    """Return the worker on an empty database."""
    return running


@pytest.mark.parametrize(
    "encoding", ["punycode", "idna", "bz2", "zlib_codec", "unicode_escape", "utf-7", "undefined", "nothing"]
)
def test_a_body_is_decoded_as_a_text_only(attacked: Attacked, encoding: str) -> None:
    """py-amqp decodes it by whatever encoding it names: a megabyte of punycode takes hours."""
    sent = attacked.publish(b"a" * MEGABYTE + b"-" + b"9" * MEGABYTE, encoding=encoding)
    assert attacked.error(sent)["exc_message"] == ["its body cannot be decoded"]
    attacked.assert_unharmed()


@pytest.mark.parametrize("encoding", ["utf-8", "binary", "latin-1", "utf-16", "UTF8"])
def test_the_encodings_of_texts_are_read(attacked: Attacked, encoding: str) -> None:
    """As clients in other languages name them."""
    body = BODY if encoding == "binary" else BODY.decode().encode(encoding)
    sent = attacked.publish(body, encoding=encoding)
    outcome = attacked.worker.eventually(lambda: attacked.results.outcome(sent))
    assert outcome["result"]["reason"] == "voucher_not_found"


@pytest.mark.parametrize(
    ("headers", "body", "problem"),
    [
        ({}, b" " * (16 * MEGABYTE + 1), "its body is larger than 16777216 bytes"),
        ({"compression": "gzip"}, zlib.compress(b" " * (64 * MEGABYTE)), "its body is larger than 16777216 bytes"),
        ({"compression": "bzip2"}, bz2.compress(b" " * (64 * MEGABYTE)), "its body is larger than 16777216 bytes"),
        ({}, b'[[], {"request": [' + b"[]," * (5 * MEGABYTE) + b"0]}, {}]", "it has more than 1000000 values"),
    ],
    ids=["large", "a bomb of zlib", "a bomb of bzip2", "millions of values"],
)
def test_a_body_beyond_its_bounds_is_refused(attacked: Attacked, headers: Json, body: bytes, problem: str) -> None:
    """Its caller is told."""
    assert attacked.error(attacked.publish(body, encoding="binary", **headers))["exc_message"] == [problem]
    attacked.assert_unharmed()


def test_what_waits_too_long_or_is_followed_is_refused(attacked: Attacked) -> None:
    """Neither reaches the queues of delayed messages, nor a queue of the sender's."""
    far_off = attacked.client.app.send_task(REDEEM, kwargs={"request": redemption()}, countdown=86_400 * 2)
    assert [each["field"] for each in attacked.error(far_off.id)["exc_message"][0]] == ["eta"]
    body = json.dumps([[], {"request": redemption()}, {"callbacks": [NOTE]}]).encode()
    assert [each["field"] for each in attacked.error(attacked.publish(body))["exc_message"][0]] == ["callbacks"]
    attacked.assert_unharmed()


@pytest.mark.parametrize("command", ["shutdown", "pool_restart", "add_consumer", "revoke", "hello", "election"])
def test_a_command_that_changes_something_is_not_obeyed(attacked: Attacked, command: str) -> None:
    """A ping is answered."""
    control = attacked.client.app.control
    (answer,) = control.broadcast(command, reply=True, timeout=DEADLINE_SECONDS, limit=1)
    assert list(answer.values()) == [{"error": "this worker does not obey the command"}]
    assert control.ping(timeout=DEADLINE_SECONDS, limit=1)
    attacked.assert_unharmed()


def test_a_broadcast_that_is_no_command_is_dropped(attacked: Attacked) -> None:
    """Whatever its body and its encoding are."""
    with Connection(attacked.worker.environment["BROKER_URL"]) as connection:
        for body, options in (
            (b"[" * 100_000, {"content_type": "application/json"}),
            (b"7", {"content_type": "application/json"}),
            (bz2.compress(b" " * 64 * MEGABYTE), {"content_type": "application/data", "content_encoding": "bz2"}),
            (zlib.compress(b" " * 64 * MEGABYTE), {"headers": {"compression": "gzip"}}),
        ):
            connection.Producer().publish(body, exchange="celery.pidbox", **{"content_encoding": "binary", **options})
    assert eventually(lambda: attacked.client.app.control.ping(timeout=1, limit=1))
    attacked.assert_unharmed()
