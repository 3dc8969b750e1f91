"""Messages that are no request at all: a worker drops each of them, says nothing of what was in it, and goes on."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.running import Client, Json, Worker, row_counts
from tests.support.requests import redemption

SECRET = "HUSH-71bd"
# It lacks a customer: were it read after all, nothing would be written.
REDEMPTION = {"project": "gigs", "requestId": "order-0", "code": SECRET, "subscription": "sub_0"}
# Of a pair of characters: no text that is stored anywhere can have it.
HALF = "\ud800x"
BODY = json.dumps([[], {"request": REDEMPTION}, {}])


def publish(
    client: Client,
    *,
    body: str | bytes = BODY,
    headers: Json | None = None,
    content_type: Any = "application/json",
    content_encoding: Any = "",
) -> str:
    """This function will put a message with such a body into the broker, and return the id of its task."""
    task_id = str(uuid4())
    with client.app.producer_or_acquire() as producer:
        producer.publish(
            body,
            routing_key="redemptions",
            exchange="",
            content_type=content_type,
            content_encoding=content_encoding or ("utf-8" if isinstance(body, str) else "binary"),
            headers={"id": task_id, "task": "redemptions.redeem"} if headers is None else headers,
            correlation_id=task_id,
        )
    return task_id


def put(client: Client, envelope: Json) -> None:
    """This function will put an envelope into the queue as it stands, but for what it leaves out."""
    body = envelope.get("body", BODY)
    is_text = isinstance(body, str)
    tag = str(uuid4())
    text = {
        "body": b64encode(body.encode()).decode() if is_text else body,
        "content-encoding": "utf-8" if is_text else "binary",
        "content-type": envelope.get("content-type", "application/json" if is_text else "application/data"),
        "headers": {"id": tag, "task": "redemptions.redeem", **envelope.get("headers", {})},
        "properties": {
            "correlation_id": tag,
            "delivery_info": {"exchange": "", "routing_key": "redemptions"},
            "delivery_mode": 2,
            "delivery_tag": tag,
            "priority": 0,
            "body_encoding": "base64" if is_text else None,
        },
    }
    client.broker.redis.lpush("redemptions", json.dumps(text))


def assert_survived(worker: Worker, client: Client, *, log_since: int) -> None:
    """This function will check that the message is gone without a trace, and that the worker answers the next one."""
    process = worker.process
    following = client.send("redemptions.redeem", redemption(code="OTHER"))
    outcome = worker.while_it_lives(lambda: client.broker.outcome(following))
    assert outcome["result"]["reason"] == "voucher_not_found"
    worker.settle()
    assert worker.process is process
    assert row_counts(worker.environment["DATABASE_URL"]) == {"redemptions": 1, "subscriptions": 1}
    assert SECRET not in worker.log[log_since:]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY[:-8], id="cut off"),
        pytest.param(f"{BODY},", id="more than one value"),
        pytest.param(BODY.encode().replace(b"HUSH", b"\xffHUSH"), id="not UTF-8"),
        pytest.param("", id="empty"),
        pytest.param("null", id="null"),
        pytest.param("7", id="a number"),
        pytest.param("true", id="a boolean"),
        pytest.param(f'"{SECRET}"', id="a text"),
        pytest.param(f'"args {SECRET}"', id="a text with args in it"),
        pytest.param(json.dumps(REDEMPTION), id="an object"),
        pytest.param("[]", id="an empty list"),
        pytest.param(json.dumps([[], {"request": REDEMPTION}]), id="a list of two"),
        pytest.param(json.dumps(["args", {"request": REDEMPTION}, {}]), id="a text for the arguments"),
        pytest.param(json.dumps([[], [SECRET], {}]), id="a list for the keyword arguments"),
        pytest.param(json.dumps([[], None, {}]), id="null for the keyword arguments"),
        pytest.param(json.dumps([[], {"request": {"code": SECRET}}, SECRET]), id="a text for the options"),
        pytest.param(json.dumps([[], {"request": {"code": SECRET}}, 7]), id="a number for the options"),
        pytest.param("[" * 100_000, id="nested deeper than a parser goes"),
        pytest.param(
            BODY.replace(f'"{SECRET}"', "[" * 600 + "]" * 600), id="nested deeper than its way to a child goes"
        ),
        pytest.param(BODY.replace(f'"{SECRET}"', "9" * 5_000), id="a number longer than a parser reads"),
    ],
)
def test_a_worker_outlives_a_body_that_is_no_request(
    body: str | bytes, client: Client, worker: Worker, log_since: int
) -> None:
    """A message that ended its worker would be delivered again, and end every worker in turn."""
    publish(client, body=body)
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"id": "a"}, id="no task"),
        pytest.param({"task": "redemptions.redeem"}, id="no id"),
        pytest.param({"id": None, "task": "redemptions.redeem"}, id="null for the id"),
        pytest.param({"id": {SECRET: 1}, "task": "redemptions.redeem"}, id="an object for the id"),
        pytest.param({"id": "a", "task": [SECRET]}, id="a list for the task"),
    ],
)
def test_a_worker_outlives_headers_that_name_no_task(
    headers: Json, client: Client, worker: Worker, log_since: int
) -> None:
    """Any program can write into a queue."""
    publish(client, headers=headers)
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize(
    "header",
    [
        {"eta": "soon"},
        {"expires": "never"},
        {"timelimit": "short"},
        {"retries": "many"},
        {"argsrepr": SECRET, "kwargsrepr": SECRET},
        {"eta": ""},
        {"eta": 0},
        {"expires": []},
        {"expires": {}},
        {"stamped_headers": 7},
        {"stamped_headers": [[SECRET]], "stamps": {}},
        {"stamped_headers": [], "stamps": SECRET},
        {"compression": "gzip"},
        {"compression": SECRET},
        {"compression": 7},
    ],
    ids=str,
)
def test_a_worker_outlives_a_header_that_makes_no_sense(
    header: Json, client: Client, worker: Worker, log_since: int
) -> None:
    """Whether the request is read then or not, it is not shown."""
    publish(client, headers={"id": str(uuid4()), "task": "redemptions.redeem", **header})
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/x-yaml", "text/plain"])
def test_only_json_is_read(content_type: str, client: Client, worker: Worker, log_since: int) -> None:
    """A pickle could run code; nobody unpacks it."""
    publish(client, content_type=content_type)
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize(
    ("content_type", "content_encoding"),
    [
        pytest.param("application/json", 7, id="a number for the encoding"),
        pytest.param("application/json", [SECRET], id="a list for the encoding"),
        pytest.param("application/json", SECRET, id="an unknown encoding"),
        pytest.param([SECRET], "utf-8", id="a list for the type"),
        pytest.param({SECRET: 1}, "utf-8", id="an object for the type"),
        pytest.param(7, "utf-8", id="a number for the type"),
    ],
)
def test_a_worker_outlives_what_is_said_of_a_body(
    content_type: Any, content_encoding: Any, client: Client, worker: Worker, log_since: int
) -> None:
    """It stands beside the headers, and any program can write it."""
    publish(client, body=BODY.encode(), content_type=content_type, content_encoding=content_encoding)
    assert_survived(worker, client, log_since=log_since)


def test_an_unknown_task_fails_by_its_name(client: Client, worker: Worker, log_since: int) -> None:
    """Who misspells a name is told so."""
    outcome = client.outcome(client.send("redemptions.redem", REDEMPTION, queue="redemptions"))
    assert outcome["status"] == "FAILURE"
    assert outcome["result"]["exc_type"] == "NotRegistered"
    assert SECRET not in json.dumps(outcome)
    assert_survived(worker, client, log_since=log_since)


def test_an_unknown_task_of_the_first_protocol_fails_by_its_name_too(client: Client) -> None:
    """That one has its id and its name in the body."""
    task_id = str(uuid4())
    body = {"id": task_id, "task": "redemptions.redem", "args": [], "kwargs": {"request": REDEMPTION}}
    publish(client, body=json.dumps(body), headers={})
    assert client.outcome(task_id)["result"]["exc_type"] == "NotRegistered"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"body": BODY[:-8]}, id="a body that is cut off"),
        pytest.param({"body": json.dumps([[SECRET], [SECRET], {}])}, id="arguments that are none"),
        pytest.param({"body": BODY.replace(f'"{SECRET}"', '{"__type__": "date", "__value__": 7}')}, id="no date"),
        *(
            pytest.param(
                {"body": json.dumps([[], {"request": redemption(code="OTHER")}, {name: value}])}, id=f"{name} {value}"
            )
            for name, value in {
                "callbacks": [None],
                "errbacks": {"task": "redemptions.redeem"},
                "chain": [{"args": [SECRET]}],
                "chord": SECRET,
            }.items()
        ),
        pytest.param({"content_type": "text/plain"}, id="another content type"),
        pytest.param({"headers": {"expires": 7}}, id="a number for the expiry"),
        pytest.param({"headers": {"compression": "gzip"}}, id="not compressed as it says"),
    ],
)
def test_whoever_waits_for_what_is_no_task_is_told(message: dict[str, Any], client: Client, worker: Worker) -> None:
    """By Celery's own error for it, with what is wrong and nothing of what was sent."""
    task_id = str(uuid4())
    headers = {"id": task_id, "task": "redemptions.redeem", **message.get("headers", {})}
    publish(client, **{**message, "headers": headers})
    outcome = worker.while_it_lives(lambda: client.broker.outcome(task_id))
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "InvalidTaskError")
    assert SECRET not in json.dumps(outcome)
    assert row_counts(worker.environment["DATABASE_URL"]) == {}


def test_nobody_is_told_who_does_not_want_to_hear(client: Client, worker: Worker) -> None:
    """As with any other answer."""
    ignored = str(uuid4())
    publish(client, body="7", headers={"id": ignored, "task": "redemptions.redeem", "ignore_result": True})
    following = publish(client, body="7")
    worker.while_it_lives(lambda: client.broker.outcome(following))
    assert client.broker.state(ignored)["status"] == "PENDING"


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param({"headers": {"id": HALF}, "content-type": "text/plain"}, id="half a pair in the id, another type"),
        pytest.param({"headers": {"id": HALF}, "body": "[["}, id="half a pair in the id, a body that is cut off"),
        pytest.param({"headers": {"id": HALF, "compression": "gzip"}}, id="half a pair in the id, not compressed"),
        pytest.param({"headers": {"id": HALF, "task": "nobody.knows"}}, id="half a pair in the id of an unknown task"),
        pytest.param({"body": [[], {"request": REDEMPTION}, {}]}, id="a list for the body"),
        pytest.param({"body": {"args": [], "kwargs": {"request": REDEMPTION}}}, id="an object for the body"),
        pytest.param({"headers": {"x": {"__type__": "decimal", "__value__": SECRET}}}, id="no decimal"),
        pytest.param({"headers": {"eta": "9999-12-31T24:00"}}, id="the year 10,000 for the eta"),
        pytest.param({"headers": {"expires": "9999-12-31T24:00"}}, id="the year 10,000 for the expiry"),
        pytest.param({"headers": {"timelimit": [10**400, None]}}, id="a time limit that no clock can tell"),
        pytest.param({"headers": {"timelimit": [-1, -1]}}, id="time limits before the start"),
        pytest.param({"headers": {"retries": 10**400}}, id="retries that nobody can count"),
    ],
)
def test_a_worker_outlives_an_envelope_that_no_client_writes(
    envelope: dict[str, Any], client: Client, worker: Worker, log_since: int
) -> None:
    """Whoever can write to the queue can write anything."""
    put(client, envelope)
    assert_survived(worker, client, log_since=log_since)
    assert "Traceback" not in worker.log[log_since:]
