"""A worker obeys the commands of Celery's remote control that change nothing, and no others."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery.worker.control import Panel

from tests.abuse.attacked import COMMANDS, Attacked
from tests.end_to_end.broker import Json
from tests.end_to_end.programs import CHECKOUT
from tests.support.waiting import DEADLINE_SECONDS
from worker.intake.remote_control import OBEYED, PER_SECOND_MAX

pytestmark = pytest.mark.slow

PANEL = sorted(Panel.data)
REFUSED = {"error": "this worker does not obey the command"}
CHANNEL = "/15.celery.pidbox"
REPLIES = "reply.celery.pidbox"
# What each command takes, so that it would have an effect if it were obeyed.
ARGUMENTS: dict[str, Json] = {
    "revoke": {"task_id": "a", "terminate": True},
    "revoke_by_stamped_headers": {"headers": {"stamp": "a"}},
    "terminate": {"task_id": "a", "signal": "KILL"},
    "rate_limit": {"task_name": "redemptions.redeem", "rate_limit": "1/h"},
    "time_limit": {"task_name": "redemptions.redeem", "hard": 0.001},
    "election": {"id": "a", "topic": "task", "action": {"task": "celery.map"}},
    "hello": {"from_node": "a", "revoked": {"a": 1.0}},
    "add_consumer": {"queue": "other"},
    "cancel_consumer": {"queue": "redemptions"},
    "pool_shrink": {"n": 2},
    "autoscale": {"max": 1, "min": 0},
    "query_task": {"ids": ["a"]},
}


def ask(attacked: Attacked, command: str) -> dict[str, Any]:
    """Send a command to the worker and return its answer."""
    (answer,) = attacked.client.app.control.broadcast(
        command, ARGUMENTS.get(command, {}), reply=True, timeout=DEADLINE_SECONDS, limit=1
    )
    answered: dict[str, Any]
    (answered,) = answer.values()
    return answered


@pytest.mark.parametrize("command", PANEL)
def test_each_command_of_celery_is_obeyed_by_the_list_only(attacked: Attacked, command: str) -> None:
    """Those of a later Celery too. A refused one is counted, and its sender is told."""
    if command in OBEYED:
        assert ask(attacked, command) != REFUSED
        assert attacked.count(COMMANDS, "not_obeyed") == 0
    else:
        assert ask(attacked, command) == REFUSED
        attacked.assert_counted(COMMANDS, "not_obeyed")
    attacked.assert_unharmed()


def test_the_page_tells_of_each_command() -> None:
    """Those that are obeyed, and those that are not with the reason."""
    page = Path(CHECKOUT, "docs", "flower.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE))
    assert {name for each in told for name in re.findall(r"`(\w+)`", each)} == set(PANEL)
    assert set(OBEYED) <= set(PANEL)


def test_a_shutdown_without_an_answer_is_not_obeyed_either(attacked: Attacked) -> None:
    """Nobody is told. It is counted."""
    attacked.client.app.control.shutdown()
    attacked.assert_counted(COMMANDS, "not_obeyed")
    attacked.assert_unharmed()


def envelope(body: Any, **changes: Any) -> Json:
    """Return a broadcast as kombu sends it."""
    return {
        "body": json.dumps(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"clock": 1, "expires": 0},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
            "priority": 0,
            "body_encoding": None,
            "delivery_tag": str(uuid4()),
        },
        **changes,
    }


PING: Json = {"method": "ping", "arguments": {}, "destination": None}
REGULAR_EXPRESSION = {"pattern": "(a+)+$", "matcher": "pcre"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(7, id="a number"),
        pytest.param([PING], id="a list"),
        pytest.param({}, id="no command"),
        pytest.param({**PING, "method": ["ping"]}, id="a list for the name"),
        pytest.param({**PING, "arguments": [1]}, id="a list for the arguments"),
        pytest.param({**PING, "arguments": {"ids": ["x" * 300]}}, id="a long id"),
        pytest.param({**PING, "arguments": {"ids": ["x"] * 1_001}}, id="many ids"),
        pytest.param({**PING, "destination": "all"}, id="a text for the destination"),
        pytest.param({**PING, **REGULAR_EXPRESSION}, id="a regular expression"),
        pytest.param({**PING, "reply_to": "me"}, id="a text for the answer"),
        pytest.param({**PING, "reply_to": {"exchange": "", "routing_key": "redemptions"}}, id="a queue of Scrip"),
        pytest.param({**PING, "reply_to": {"exchange": REPLIES, "routing_key": "x\n"}}, id="a line break"),
        pytest.param({**PING, "another": 1}, id="another field"),
    ],
)
def test_a_malformed_command_is_refused(attacked: Attacked, body: Any) -> None:
    """The worker's log has no traceback, and nothing of the command."""
    attacked.client.broker.redis.publish(CHANNEL, json.dumps(envelope(body)))
    attacked.assert_counted(COMMANDS, "malformed")
    attacked.assert_unharmed()
    assert "Traceback" not in attacked.log


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="nested deeply"),
        pytest.param("7", id="a number"),
        pytest.param("{}", id="empty"),
        pytest.param("\x1b[2J forged\n", id="no JSON"),
        pytest.param(json.dumps({**envelope(PING), "properties": {}}), id="no properties"),
        pytest.param(json.dumps({**envelope(PING), "headers": [1]}), id="a list for the headers"),
        pytest.param(json.dumps(envelope(PING) | {"body": [1]}), id="a list for the body"),
        pytest.param(json.dumps(envelope(PING, headers={"compression": "bzip2"})), id="not compressed"),
        pytest.param(json.dumps(envelope(PING, **{"content-type": "application/x-python-serialize"})), id="a pickle"),
        pytest.param(json.dumps(envelope("x" * 2**20)), id="large"),
    ],
)
def test_a_broadcast_that_is_no_command_is_dropped(attacked: Attacked, text: str) -> None:
    """Whatever it is, no contents are logged, and the next command is obeyed."""
    attacked.client.broker.redis.publish(CHANNEL, text)
    assert ask(attacked, "ping") == {"ok": "pong"}
    attacked.assert_unharmed()
    assert "Traceback" not in attacked.log
    assert "\x1b" not in attacked.log
    assert "forged" not in attacked.log


def test_a_flood_of_commands_is_not_answered(attacked: Attacked) -> None:
    """A worker answers so many a second, and goes on with its work."""
    body = {**PING, "reply_to": {"exchange": REPLIES, "routing_key": "nobody"}, "ticket": "t"}
    with attacked.client.broker.redis.pipeline() as pipeline:
        for _ in range(20 * PER_SECOND_MAX):
            pipeline.publish(CHANNEL, json.dumps(envelope(body)))
        pipeline.execute()
    attacked.worker.eventually(lambda: attacked.count(COMMANDS, "too_many") > 0)
    attacked.assert_unharmed()


def test_an_election_runs_no_task(attacked: Attacked) -> None:
    """Celery's workers elect one of them by events, and it runs what the sender of the events wants."""
    event: Json = {"type": "worker-elect", "id": "a", "topic": "task", "cver": 1}
    with attacked.client.app.connection_for_write() as connection:
        dispatcher = attacked.client.app.events.Dispatcher(connection, hostname="a@b")
        dispatcher.send(**event, action={"task": "celery.backend_cleanup", "args": [], "kwargs": {}, "options": {}})
    attacked.assert_unharmed()
    assert "backend_cleanup" not in attacked.log
    # The worker receives no events at all.
    assert attacked.client.broker.redis.smembers("_kombu.binding.celeryev") == set()
