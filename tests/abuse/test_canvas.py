"""What follows a message is refused, unless an operator allows it. Then it is a task that its sender may send."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection

from tests.abuse.attacked import ANSWERS, REDEEM, Attacked
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.raw_messages import publish
from tests.support.requests import create_voucher, redemption

pytestmark = pytest.mark.slow

# Databases of Valkey for workers with other settings.
ALLOWING, OTHER_POOLS = 4, 14
FORBIDDEN = "must not be sent with a task: SCRIP_ALLOW_CANVAS is off"
NOTE: dict[str, Any] = {"task": "shop.note", "args": [], "kwargs": {}, "options": {"queue": "shop"}}
FIELDS = {"callbacks": [NOTE], "errbacks": [NOTE], "chain": [NOTE], "chord": NOTE}


def publish_followed(client: Client, following: object, *, field: str = "callbacks") -> str:
    """Publish a valid redemption that tasks follow, and return its id."""
    body = [[], {"request": redemption(code="SUMMER")}, {field: following}]
    return publish(client, body=json.dumps(body))


@pytest.mark.parametrize("field", FIELDS)
def test_what_follows_a_message_is_refused(attacked: Attacked, field: str) -> None:
    """By a clear error, before the message has an effect. Nothing is sent."""
    sent = publish_followed(attacked.client, FIELDS[field], field=field)
    assert attacked.error(sent)["exc_message"] == [[{"field": field, "message": FORBIDDEN}]]
    attacked.assert_counted(ANSWERS, "failed", "InvalidRequest", REDEEM)
    attacked.assert_unharmed()
    assert attacked.client.broker.waiting("shop") == 0


def test_it_is_refused_in_the_first_version_of_the_protocol_too(attacked: Attacked) -> None:
    """Its fields are in the body."""
    task_id = str(uuid4())
    body = {"id": task_id, "task": REDEEM, "args": [], "kwargs": {"request": redemption()}, "callbacks": [NOTE]}
    publish(attacked.client, body=json.dumps(body), headers={})
    assert attacked.bad_fields(task_id) == ["callbacks"]
    attacked.assert_unharmed()


def test_a_mixture_of_both_versions_hides_nothing(attacked: Attacked) -> None:
    """Celery takes from the body what the headers lack."""
    body = {"args": [], "kwargs": {"request": redemption()}, "eta": "2999-01-01T00:00:00+00:00", "retries": 10**9}
    task_id = publish(attacked.client, body=json.dumps(body))
    assert attacked.error(task_id)["exc_type"] == "InvalidTaskError"
    body["retries"] = 0
    assert attacked.bad_fields(publish(attacked.client, body=json.dumps(body))) == ["eta"]
    attacked.assert_unharmed()


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_refuse_it_too(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """There Celery itself runs each message, and would send an errback."""
    variables = with_redis(database, number=OTHER_POOLS)
    with Worker(folder=tmp_path / pool, environment=variables, pool=pool) as worker, Client(variables) as client:
        worker.wait_ready()
        for field, following in FIELDS.items():
            error = client.outcome(publish_followed(client, following, field=field))["result"]
            assert error["exc_message"] == [[{"field": field, "message": FORBIDDEN}]]
        worker.wait_until_acknowledged()
        assert client.broker.waiting("shop") == 0


@pytest.fixture(scope="module")
def running_allowing(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """Run a worker for a module that allows what follows."""
    folder = tmp_path_factory.mktemp("allowing")
    variables = with_redis(environment, number=ALLOWING)
    variables |= {"SCRIP_ALLOW_CANVAS": "true", "SCRIP_METRICS_FOLDER": str(folder / "metrics")}
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        yield worker.wait_ready(), client


@pytest.fixture
def allowing(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running_allowing: tuple[Worker, Client],
) -> Attacked:
    """Return the worker on an empty database."""
    return Attacked(*running_allowing)


@pytest.mark.parametrize(
    "change",
    [
        {"task": "celery.map"},
        {"task": "celery.backend_cleanup", "options": {"queue": "shop"}},
        {"options": {}},
        {"options": {"queue": "redemptions"}},
        {"options": {"queue": "_kombu.binding.celery.pidbox"}},
        {"options": {"queue": "unacked"}},
        {"options": {"queue": ""}},
        {"options": {"queue": "redemptions\x06\x163"}},
        {"options": {"queue": ["shop"]}},
        {"options": {"exchange": "", "routing_key": "shop"}},
        {"options": {"queue": "shop", "serializer": "pickle"}},
        {"options": {"queue": "shop", "connection": "redis://127.0.0.1:1"}},
        {"options": {"queue": "shop", "link": [NOTE]}},
        {"options": [["queue", "shop"]]},
        {"subtask_type": "group", "kwargs": {"tasks": [NOTE]}},
        {"subtask_type": "chord"},
        {"task": "billing.apply", "options": {"queue": "shop"}},
        {"task": "billing.apply", "options": {"queue": "redemptions"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("field", FIELDS)
def test_an_allowed_follower_is_one_that_the_sender_may_send(
    allowing: Attacked, field: str, change: dict[str, Any]
) -> None:
    """No task of Celery's, no key of kombu's in the place of a queue, and no group to be taken apart."""
    follower = NOTE | change
    sent = publish_followed(allowing.client, follower if field == "chord" else [NOTE, follower], field=field)
    assert allowing.bad_fields(sent) == [field]
    allowing.assert_unharmed()
    assert allowing.client.broker.waiting("shop") == 0


@pytest.mark.parametrize("field", ["callbacks", "errbacks", "chain"])
def test_what_follows_is_no_flood(allowing: Attacked, field: str) -> None:
    """Each has up to a hundred."""
    assert allowing.bad_fields(publish_followed(allowing.client, [NOTE] * 101, field=field)) == [field]
    allowing.assert_unharmed()


def test_a_task_for_a_queue_of_the_senders_own_is_allowed(allowing: Attacked) -> None:
    """It is sent after the redemption is committed."""
    create_voucher(code="SUMMER")
    sent = publish_followed(allowing.client, [NOTE])
    assert allowing.client.answer(sent)["outcome"] == "accepted"
    with Connection(allowing.worker.environment["REDIS_URL"]) as connection:
        message = connection.SimpleQueue("shop", no_ack=True).get(timeout=10)
    assert message.headers["task"] == "shop.note"
