"""A worker drops a message that is not a request, logs nothing of the contents, and goes on."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.raw_messages import BODY, HALF_A_PAIR, REDEMPTION, SECRET, assert_survived, publish, put_envelope


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
        pytest.param("[" * 100_000, id="nested too deeply for the parser"),
        pytest.param(
            BODY.replace(f'"{SECRET}"', "[" * 600 + "]" * 600), id="nested too deeply to be pickled for a child"
        ),
        pytest.param(BODY.replace(f'"{SECRET}"', "9" * 5_000), id="a number too long for the parser"),
    ],
)
def test_a_worker_survives_a_body_that_is_no_request(
    body: str | bytes, client: Client, worker: Worker, log_since: int
) -> None:
    """If a message ended its worker, redelivery would end every worker in turn."""
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
def test_a_worker_survives_headers_that_name_no_task(
    headers: Json, client: Client, worker: Worker, log_since: int
) -> None:
    """Any program can write any headers into a queue."""
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
def test_a_worker_survives_a_header_that_makes_no_sense(
    header: Json, client: Client, worker: Worker, log_since: int
) -> None:
    """The request is not logged, whether or not the task runs."""
    publish(client, headers={"id": str(uuid4()), "task": "redemptions.redeem", **header})
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/x-yaml", "text/plain"])
def test_only_json_is_decoded(content_type: str, client: Client, worker: Worker, log_since: int) -> None:
    """A pickle could execute code, so no pickle is ever loaded."""
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
def test_a_worker_survives_a_wrong_content_type_or_encoding(
    content_type: Any, content_encoding: Any, client: Client, worker: Worker, log_since: int
) -> None:
    """Any program can write any value there."""
    publish(client, body=BODY.encode(), content_type=content_type, content_encoding=content_encoding)
    assert_survived(worker, client, log_since=log_since)


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param(
            {"headers": {"id": HALF_A_PAIR}, "content-type": "text/plain"}, id="half a pair in the id, another type"
        ),
        pytest.param(
            {"headers": {"id": HALF_A_PAIR}, "body": "[["}, id="half a pair in the id, a body that is cut off"
        ),
        pytest.param(
            {"headers": {"id": HALF_A_PAIR, "compression": "gzip"}}, id="half a pair in the id, not compressed"
        ),
        pytest.param(
            {"headers": {"id": HALF_A_PAIR, "task": "nobody.knows"}}, id="half a pair in the id of an unknown task"
        ),
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
def test_a_worker_survives_an_envelope_that_no_client_writes(
    envelope: dict[str, Any], client: Client, worker: Worker, log_since: int
) -> None:
    """Any program with access to the queue can write any envelope."""
    put_envelope(client, envelope)
    assert_survived(worker, client, log_since=log_since)
    assert "Traceback" not in worker.log[log_since:]
