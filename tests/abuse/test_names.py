"""Names that come from callers are cut and printable wherever they are shown, and errors are bounded."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.abuse.attacked import ANSWERS, DROPPED, REDEEM, Attacked
from tests.end_to_end.events import events_of, receiving_events
from tests.end_to_end.raw_messages import publish
from tests.support.requests import invoice, redemption

pytestmark = pytest.mark.slow

FORGED = "x\n[2026-01-01 00:00:00,000: CRITICAL/MainProcess] forged\x1b[2J\u202e\x00"
LONG = "n" * 100_000
# A body may have 16 MiB, and each has 90 bytes.
BAD_FIELDS = 100_000
# That of a key in the result store.
ID_LENGTH_MAX = 255
BODY = json.dumps([[], {"request": redemption(code="NONE")}, {}])
NAMES = ("shadow", "root_id", "parent_id", "group", "origin", "lang", "argsrepr", "kwargsrepr")
# A line of the log has a heading before its message.
LINE_LENGTH_MAX = 11_000


def published(attacked: Attacked, headers: dict[str, Any], *, body: str = BODY) -> str:
    """Publish a message with those headers beside the usual ones, and return its id."""
    task_id = str(uuid4())
    publish(attacked.client, body=body, headers={"id": task_id, "task": REDEEM, **headers})
    return task_id


def assert_log_is_clean(attacked: Attacked) -> None:
    """Check that no line of the log was forged, and that none is long."""
    lines = attacked.log.splitlines()
    assert not any(line.startswith("[2026-01-01") for line in lines)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= LINE_LENGTH_MAX


@pytest.mark.parametrize("task_id", [FORGED, LONG, "ü", " \t"], ids=["forged", "long", "not ASCII", "a tab"])
def test_a_message_whose_id_cannot_be_shown_is_dropped(attacked: Attacked, task_id: str) -> None:
    """Its caller is told if the id can be a key."""
    publish(attacked.client, body=BODY, headers={"id": task_id, "task": REDEEM})
    attacked.assert_counted(DROPPED, "not_a_task")
    if len(task_id) <= ID_LENGTH_MAX:
        assert attacked.error(task_id)["exc_type"] == "InvalidTaskError"
    attacked.assert_unharmed()
    assert_log_is_clean(attacked)


@pytest.mark.parametrize("name", [FORGED, LONG], ids=["forged", "long"])
def test_the_name_of_an_unknown_task_is_cut_and_printable(attacked: Attacked, name: str) -> None:
    """In the log, and in the error that its caller reads."""
    error = attacked.error(published(attacked, {"task": name}))
    assert error["exc_type"] == "NotRegistered"
    (told,) = error["exc_message"]
    assert told.isprintable()
    assert len(told) <= 400
    attacked.assert_unharmed()
    assert_log_is_clean(attacked)


@pytest.mark.parametrize(
    "name", ["shadow", "root_id", "parent_id", "group", "origin", "lang", "argsrepr", "kwargsrepr"]
)
@pytest.mark.parametrize("value", [FORGED, LONG, 7, [FORGED]], ids=["forged", "long", "a number", "a list"])
def test_no_header_of_a_caller_is_shown_as_it_is(attacked: Attacked, name: str, value: Any) -> None:
    """Neither in the log nor in events, of which Flower makes its pages."""
    with (
        attacked.client.app.connection_for_read() as connection,
        receiving_events(attacked.client.app, connection) as receive,
    ):
        sent = published(attacked, {name: value})
        assert attacked.client.answer(sent)["reason"] == "voucher_not_found"
        events = events_of(receive, sent)
    text = json.dumps(events, ensure_ascii=False)
    assert "forged" not in text
    assert LONG[:1_000] not in text
    assert {each["name"] for each in events if each["type"] == "task-received"} == {REDEEM}
    assert_log_is_clean(attacked)
    assert "forged" not in attacked.log


def test_shadow_renames_no_task(attacked: Attacked) -> None:
    """The log and Flower have the name of the contract."""
    sent = published(attacked, {"shadow": "billing.apply"})
    attacked.client.answer(sent)
    attacked.worker.eventually(lambda: f"Task {REDEEM}[{sent}] succeeded" in attacked.log)
    assert f"Task billing.apply[{sent}]" not in attacked.log


def test_at_most_a_hundred_bad_fields_are_told(attacked: Attacked) -> None:
    """With their number: three hundred thousand made an answer of 40 MB, and 20 MB of log."""
    fields = {f"{index}{FORGED}": 1 for index in range(BAD_FIELDS)}
    sent = published(attacked, {}, body=json.dumps([[], {"request": {**redemption(), **fields}}, {}]))
    (errors,) = attacked.error(sent)["exc_message"]
    # Unknown fields are counted, not named.
    assert [each["field"] for each in errors] == ["code", "?", "request"]
    assert errors[-1]["message"] == f"has {BAD_FIELDS + 1} bad fields, of which only the first are told"
    attacked.assert_counted(ANSWERS, "failed", "InvalidRequest", REDEEM)
    attacked.assert_unharmed()
    assert_log_is_clean(attacked)
    assert len(attacked.log) < 200_000


def test_the_errors_of_a_bulk_are_bounded_too(attacked: Attacked) -> None:
    """Each item still tells its first bad field."""
    bad = {f"field{index}": 1 for index in range(900)}
    items = attacked.client.ask("redemptions.redeem_many", {"requests": [bad] * 1_000})["items"]
    assert [each["outcome"] for each in items] == ["invalid"] * 1_000
    assert {len(each["errors"]) for each in items} == {6, 2}
    assert {each["errors"][-1]["message"] for each in items} == {
        "is not a field of this request (900 times)",
        "has more bad fields, which are not told",
    }
    assert len(json.dumps(items)) < 2_000_000
    attacked.assert_unharmed()


def test_at_most_a_hundred_bad_fields_with_different_names_are_told(attacked: Attacked) -> None:
    """Each of 900 lines lacks two fields."""
    sent = attacked.client.send("billing.apply", invoice(lines=[{}] * 900))
    (errors,) = attacked.error(sent)["exc_message"]
    assert len({each["field"] for each in errors}) == len(errors) == 101
    assert errors[-1] == {
        "field": "request",
        "message": "has 1800 bad fields, of which only the first are told",
    }
    attacked.assert_unharmed()


def test_names_within_a_request_are_printable_in_the_log(attacked: Attacked) -> None:
    """The ids of a request are shown."""
    sent = attacked.client.send(REDEEM, redemption(code="NONE") | {"customer": FORGED, "project": FORGED})
    assert attacked.error(sent)["exc_type"] == "InvalidRequest"
    assert_log_is_clean(attacked)
