"""The caller of a dropped message is told why, and the contents of the message are not shown."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts
from tests.end_to_end.programs import Worker
from tests.end_to_end.raw_messages import BODY, REDEMPTION, SECRET, assert_survived, publish
from tests.support.requests import redemption


def test_an_unknown_task_fails_by_its_name(client: Client, worker: Worker, log_since: int) -> None:
    """So a sender learns that a name is misspelt."""
    outcome = client.outcome(client.send("redemptions.redem", REDEMPTION, queue="redemptions"))
    assert outcome["status"] == "FAILURE"
    assert outcome["result"]["exc_type"] == "NotRegistered"
    assert SECRET not in json.dumps(outcome)
    assert_survived(worker, client, log_since=log_since)


def test_an_unknown_task_of_the_first_protocol_fails_by_its_name_too(client: Client) -> None:
    """Version 1 of Celery's protocol has the id and the name in the body."""
    task_id = str(uuid4())
    body = {"id": task_id, "task": "redemptions.redem", "args": [], "kwargs": {"request": REDEMPTION}}
    publish(client, body=json.dumps(body), headers={})
    assert client.outcome(task_id)["result"]["exc_type"] == "NotRegistered"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"body": BODY[:-8]}, id="a body that is cut off"),
        pytest.param({"body": json.dumps([[SECRET], [SECRET], {}])}, id="arguments of the wrong type"),
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
def test_the_caller_of_a_message_that_is_no_task_is_told(
    message: dict[str, Any], client: Client, worker: Worker
) -> None:
    """The error is Celery's own. The text names the problem and shows no value of the message."""
    task_id = str(uuid4())
    headers = {"id": task_id, "task": "redemptions.redeem", **message.get("headers", {})}
    publish(client, **{**message, "headers": headers})
    outcome = worker.eventually(lambda: client.broker.outcome(task_id))
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "InvalidTaskError")
    assert SECRET not in json.dumps(outcome)
    assert row_counts(worker.environment["DATABASE_URL"]) == {}


def test_a_caller_that_ignores_results_is_not_told(client: Client, worker: Worker) -> None:
    """As with any other result."""
    ignored = str(uuid4())
    publish(client, body="7", headers={"id": ignored, "task": "redemptions.redeem", "ignore_result": True})
    following = publish(client, body="7")
    worker.eventually(lambda: client.broker.outcome(following))
    assert client.broker.state(ignored)["status"] == "PENDING"
