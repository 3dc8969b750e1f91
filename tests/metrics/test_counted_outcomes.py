"""Outcomes are counted by what is shown of the answers, by the errors that the contract names, and by cause."""

import pickle
from pathlib import Path

import pytest
from celery.utils.serialization import get_pickleable_exception
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tasks.intake.ended_messages import raised
from tasks.wire.errors import InvalidRequest, NotFound, Undecided, WrongQueue
from tasks.wire.shown_answers import READ, SWEEP_COUNTS, shown_answer
from tests.intake.deliveries import REDEEM, batch, delivery, run
from tests.metrics.counting import counts_in
from worker.connection_work import ConnectionWork, take_spent
from worker.database import transaction
from worker.intake.counted_outcomes import (
    cause_of,
    count_batch,
    count_lost,
    count_unrun,
    counts_of,
    error_name,
    outcomes_of,
)
from worker.intake.delivery import Fate, GivenUp, Outcome

NO_WORK = ConnectionWork()
LIMITED = {"object": "redemption", "outcome": "refused", "reason": "max_redemptions_reached"}
ACCEPTED = {"object": "redemption", "outcome": "accepted", "reason": None}


def answers_in(folder: Path) -> dict[tuple[str, ...], float]:
    """Return the answers by outcome, reason and task."""
    return {
        labels: value
        for (name, *labels_), value in counts_in(folder).items()
        if name == "scrip_answers_total"
        for labels in [tuple(labels_)]
    }


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (ACCEPTED, [("accepted", "", 1)]),
        (LIMITED, [("refused", "max_redemptions_reached", 1)]),
        (
            {"items": [ACCEPTED, ACCEPTED, LIMITED, {"outcome": "invalid"}]},
            [("accepted", "", 2), ("refused", "max_redemptions_reached", 1), ("invalid", "", 1)],
        ),
        ({"items": [{"object": "voucher"}] * 20}, [("read", "", 1)]),
        ({"object": "voucher"}, [("read", "", 1)]),
        ({"outcome": "a new one", "reason": "unheard"}, [("other", "other", 1)]),
        ({"object": "sweep", **dict.fromkeys(SWEEP_COUNTS, 12)}, [(name, "", 12) for name in SWEEP_COUNTS]),
    ],
)
def test_what_is_shown_of_an_answer_is_read_back(answer: object, counted: list[tuple[str, str, int]]) -> None:
    """Each form of the shown text, as `tasks.wire.shown_answers` writes it."""
    assert [tuple(each) for each in counts_of(shown_answer(answer, otherwise=READ))] == counted


@pytest.mark.parametrize("shown", ["", "{'code': 'SECRET'}", "accepted SECRET"])
def test_a_text_of_another_form_counts_as_other(shown: str) -> None:
    """No value of a request becomes a label."""
    assert "SECRET" not in repr(counts_of(shown))
    assert [tuple(each) for each in counts_of(shown)] == [("other", "", 1)]


def test_a_batch_is_counted_once_with_each_of_its_messages(folder: Path) -> None:
    """Copies of a message count each, because each is ended."""
    ended = [
        (1, Outcome(Fate.SUCCEEDED, shown="accepted")),
        (3, Outcome(Fate.SUCCEEDED, shown="accepted")),
        (1, Outcome(Fate.SUCCEEDED, shown="refused max_redemptions_reached")),
        (1, Outcome(Fate.FAILED, error=InvalidRequest([]))),
        (2, Outcome(Fate.TRY_AGAIN, error=Undecided("it failed"))),
        (1, Outcome(Fate.AWAIT_CONNECTION, error=OSError())),
    ]
    count_batch(REDEEM, outcomes_of(ended), seconds=0.3, work=ConnectionWork(wait_seconds=0.004, reruns=2))
    assert answers_in(folder) == {
        ("accepted", "", REDEEM): 4,
        ("refused", "max_redemptions_reached", REDEEM): 1,
        ("failed", "InvalidRequest", REDEEM): 1,
    }
    counts = counts_in(folder)
    assert counts["scrip_retries_total", "undecided", REDEEM] == 2
    assert counts["scrip_retries_total", "database_away", REDEEM] == 1
    assert counts["scrip_batch_messages_sum", REDEEM] == 9
    assert counts["scrip_batch_messages_count", REDEEM] == 1
    assert counts["scrip_batch_seconds_sum", REDEEM] == 0.3
    assert counts["scrip_connection_wait_seconds_sum",] == 0.004
    assert counts["scrip_transaction_reruns_total",] == 2


def test_a_sweep_counts_its_rows_and_one_answer(folder: Path) -> None:
    """The lapsed holds are among the rows."""
    shown = shown_answer({"object": "sweep", **dict.fromkeys(SWEEP_COUNTS, 7)}, otherwise="done")
    for _ in range(2):
        swept = outcomes_of([(1, Outcome(Fate.SUCCEEDED, shown=shown))])
        count_batch("expiry.sweep", swept, seconds=1, work=NO_WORK)
    assert answers_in(folder) == {("done", "", "expiry.sweep"): 2}
    assert {
        labels[0]: value for (name, *labels), value in counts_in(folder).items() if name.startswith("scrip_swept")
    } == (dict.fromkeys(SWEEP_COUNTS, 14))


def test_messages_that_end_without_a_run_and_those_of_a_lost_child_count(folder: Path) -> None:
    """An expired sweep is one."""
    count_unrun("expiry.sweep", outcome="expired")
    count_lost(REDEEM, messages=62, cause="child_lost")
    assert answers_in(folder) == {("expired", "", "expiry.sweep"): 1}
    assert counts_in(folder)["scrip_retries_total", "child_lost", REDEEM] == 62


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InvalidRequest([]), "InvalidRequest"),
        (NotFound("voucher"), "NotFound"),
        (WrongQueue("billing"), "WrongQueue"),
        (raised(GivenUp("kept")), "GivenUp"),
        (raised(Undecided("no")), "Undecided"),
        (RuntimeError("SECRET"), "other"),
    ],
)
def test_a_failure_counts_under_the_contracts_name_of_its_error(error: Exception, name: str) -> None:
    """Any other error has a label of its own, so the number of series has a bound."""
    assert error_name(error) == name


@pytest.mark.usefixtures("database")
def test_the_record_of_a_failure_in_a_child_names_its_error() -> None:
    """Celery's record of the exception, pickled on its way to the worker."""
    (outcome,) = run(REDEEM, [delivery({"project": "gigs"}, number=1)], "")
    assert outcome.fate is Fate.FAILED
    assert error_name(pickle.loads(pickle.dumps(outcome)).error) == "InvalidRequest"  # noqa: S301 - our own


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("40P01", "deadlock"),
        ("40001", "serialization"),
        ("55P03", "lock_timeout"),
        ("57014", "statement_timeout"),
        ("53300", "other"),
    ],
)
def test_a_retry_counts_under_the_cause_that_postgres_gives(state: str, cause: str) -> None:
    """The error is PostgreSQL's own, pickled as a child pickles it."""
    harm = text(f"DO $$ BEGIN RAISE EXCEPTION 'harm' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(DBAPIError) as failed, transaction() as session:
        session.execute(harm)
    outcome = Outcome(Fate.TRY_AGAIN, error=get_pickleable_exception(failed.value))
    assert cause_of(pickle.loads(pickle.dumps(outcome))) == cause  # noqa: S301 - our own


@pytest.mark.usefixtures("database")
def test_waits_for_connections_are_measured_in_the_process_that_decides() -> None:
    """Taking the figures resets them."""
    take_spent()
    run(REDEEM, batch(3), "")
    assert 0 < take_spent().wait_seconds < 60
    assert take_spent() == NO_WORK


def test_nothing_is_counted_without_a_folder(tmp_path: Path) -> None:
    """Nor is a file written."""
    ended = outcomes_of([(1, Outcome(Fate.SUCCEEDED, shown="accepted"))])
    count_batch(REDEEM, ended, seconds=1, work=NO_WORK)
    count_unrun(REDEEM, outcome="revoked")
    assert not list(tmp_path.iterdir())
