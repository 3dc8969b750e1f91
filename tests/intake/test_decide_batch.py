"""A batch in a child is decided together and halved after a failure. A message that fails alone is given up."""

import json
from typing import Any

import pytest

from tasks.audit import run as run_audit
from tasks.intake.decide_batch import ALONE_MAX
from tasks.retention import prune
from tasks.sweeps import expiry
from tasks.wire.dead_letters import discard, list_newest, show
from tests.end_to_end.database import poisoned
from tests.intake.deliveries import POISON, REDEEM, batch, begin_alone, delivery, fates, query, run
from tests.support.requests import create_voucher, invoice, redemption
from tests.support.tasks import task_named
from worker.intake.delivery import Fate
from worker.schedule import BEAT_SCHEDULE


@pytest.mark.usefixtures("database")
def test_a_batch_is_one_transaction():
    """All decisions have the same instant and transaction."""
    assert fates(run(REDEEM, batch(50), "")) == [Fate.SUCCEEDED] * 50
    assert query("SELECT count(*), count(DISTINCT decided_at), count(DISTINCT xmin::text) FROM redemptions") == [
        (50, 1, 1)
    ]


@pytest.mark.usefixtures("database")
def test_an_empty_batch_does_nothing():
    """There is no outcome, and no error."""
    assert run(REDEEM, [], "") == []


@pytest.mark.usefixtures("database")
def test_invoices_are_decided_in_batches_too():
    """The function is the same for each task."""
    delivered = [delivery(invoice(), number=number) for number in range(4)]
    assert fates(run("billing.apply", delivered, "")) == [Fate.SUCCEEDED] * 4
    assert query("SELECT count(*), count(DISTINCT applied_at) FROM invoice_discounts") == [(4, 1)]


@pytest.mark.usefixtures("database")
def test_bad_input_fails_alone():
    """The other messages are decided, and no attempt is recorded."""
    delivered = batch(5)
    requests: list[Any] = [None, {}, [], {"project": "gigs"}]
    bad = [delivery(request, number=10 + number) for number, request in enumerate(requests)]
    outcomes = run(REDEEM, [*bad[:2], *delivered, *bad[2:]], "")
    assert fates(outcomes) == [Fate.FAILED] * 2 + [Fate.SUCCEEDED] * 5 + [Fate.FAILED] * 2
    assert {outcome.error.type.__name__ for outcome in outcomes if outcome.error} == {"InvalidRequest"}
    assert query("SELECT * FROM attempts") == []


def test_the_others_of_a_batch_do_not_share_the_poisons_fate(database: dict[str, str]):
    """Halving the batch finds the poison, which is tried again."""
    delivered = batch(21, poison=13)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        outcomes = run(REDEEM, delivered, "")
    assert [number for number, fate in enumerate(fates(outcomes)) if fate is not Fate.SUCCEEDED] == [13]
    assert outcomes[13].fate is Fate.TRY_AGAIN
    assert query("SELECT task_id, together, alone FROM attempts") == [("task-13", 0, 1)]
    assert query("SELECT count(*) FROM redemptions") == [(20,)]


def test_what_fails_alone_three_times_is_a_dead_letter(database: dict[str, str], caplog: pytest.LogCaptureFixture):
    """The dead letter gives the reason, and no value of the message."""
    request = redemption(voucher=create_voucher()["id"], customer=POISON)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        found = [
            run(REDEEM, [delivery(request, number=1, retries=retries), *batch(2)[:1]], "")[0] for retries in range(3)
        ]
    assert fates(found) == [Fate.TRY_AGAIN, Fate.TRY_AGAIN, Fate.FAILED]
    assert found[2].error.type.__name__ == "GivenUp"
    (letter,) = list_newest()
    assert (letter.task_id, letter.project, letter.task, letter.attempts) == ("task-1", "gigs", REDEEM, ALONE_MAX)
    assert letter.reason.startswith("IntegrityError, SQLSTATE 23514, ")
    shown = [caplog.text, letter.reason, *(str(each.error) for each in found)]
    assert [text for text in shown if POISON in text or request["requestId"] in text] == []
    assert query("SELECT * FROM attempts") == []
    kept = show(task_id="task-1")
    assert json.loads(kept.body) == [[], {"request": request}, {}]


def test_two_messages_of_one_id_are_two_dead_letters(database: dict[str, str]):
    """Discarding takes the older of the two, and the other is kept."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher, customer=POISON) for _ in range(2)]
    with poisoned(database["DATABASE_URL"], customer=POISON):
        for request in requests:
            for retries in range(ALONE_MAX):
                run(REDEEM, [delivery(request, number=1, retries=retries)], "")
    assert len(list_newest()) == 2
    discard(task_id="task-1")
    assert json.loads(show(task_id="task-1").body)[1]["request"] == requests[1]


@pytest.mark.usefixtures("database")
def test_a_message_that_cannot_even_be_read_fails_alone():
    """The other messages are decided each time, and the unreadable message becomes a dead letter."""
    delivered = batch(4, redelivered=True)
    delivered[1] = delivered[1]._replace(kwargs=None)
    succeeded, again, failed = Fate.SUCCEEDED, Fate.TRY_AGAIN, Fate.FAILED
    assert fates(run(REDEEM, delivered, "")) == [succeeded, again, succeeded, succeeded]
    assert fates(run(REDEEM, delivered, "")) == [succeeded, again, succeeded, succeeded]
    assert fates(run(REDEEM, delivered, "")) == [succeeded, failed, succeeded, succeeded]
    assert [letter.task_id for letter in list_newest()] == ["task-1"]


def test_a_message_that_cannot_be_kept_is_tried_again(database: dict[str, str], caplog: pytest.LogCaptureFixture):
    """The message is not lost, and the other messages are decided."""
    delivered = batch(3, poison=1, redelivered=True)
    original = delivered[1].original
    assert original is not None
    # PostgreSQL stores no NUL character in a text.
    delivered[1] = delivered[1]._replace(original=original._replace(queue="\0"))
    begin_alone(delivered[1:2], times=ALONE_MAX - 1)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        for _ in range(2):
            assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED, Fate.TRY_AGAIN, Fate.SUCCEEDED]
    assert "it could not be kept: DataError" in caplog.text
    assert POISON not in caplog.text
    assert list_newest() == []
    # The fault in the database is mended, so the message can be decided.
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3


@pytest.mark.usefixtures("database")
def test_an_id_that_the_database_cannot_store_fails_no_batch():
    """Attempts at redelivered messages are looked up by their ids."""
    delivered = batch(3, redelivered=True)
    delivered[1] = delivered[1]._replace(id="a\0b")
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("entry", BEAT_SCHEDULE.values(), ids=BEAT_SCHEDULE)
def test_what_beat_sends_is_never_a_dead_letter(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Beat sends the next one. An operator would be called for a message that nobody needs."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(run_audit, "record_audit", fail)
    monkeypatch.setattr(expiry, "record_sweep", lambda **_: fail())
    monkeypatch.setattr(prune, "prune_all", lambda *_, **__: fail())
    request = entry["kwargs"]["request"]
    found = [run(entry["task"], [delivery(request, number=1, retries=retries)], "")[0] for retries in range(3)]
    assert fates(found) == [Fate.TRY_AGAIN, Fate.TRY_AGAIN, Fate.FAILED]
    # As in the pools `solo` and `threads`.
    assert task_named(entry["task"]).apply(kwargs=entry["kwargs"]).state == "FAILURE"
    assert list_newest() == []
    assert query("SELECT * FROM attempts") == []
