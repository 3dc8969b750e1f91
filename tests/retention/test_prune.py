"""Pruning deletes what was kept long enough, and nothing else."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tasks.retention.prune import prune_all
from tasks.wire.dead_letters import give_up
from tests.support.holds import release, reserve
from tests.support.requests import create_voucher, redeem
from tests.support.tampering import tamper
from tests.support.tasks import task_named
from worker.database import transaction
from worker.intake.delivery import Original
from worker.settings import Settings

pytestmark = pytest.mark.usefixtures("database")

NOTHING = {"object": "pruning", "refused": 0, "deadLetters": 0, "answers": 0, "erasureKeys": 0}
DAYS = 30
EVERYTHING = {"keep_refused_days": DAYS, "keep_dead_letters_days": DAYS, "keep_answers_days": DAYS}
TABLES = ("redemptions", "holds", "dead_letters", "write_answers")


def prune(batch_size: int = 2, **days: int) -> dict[str, Any]:
    """Prune with the settings, and return the counts."""
    answer: dict[str, Any] = prune_all(Settings().model_copy(update=days), batch_size=batch_size)
    return answer


def count_rows() -> dict[str, int]:
    """Return how many rows each table has that is pruned."""
    with transaction() as session:
        return {each: session.execute(text(f"SELECT count(*) FROM {each}")).scalar_one() for each in TABLES}  # noqa: S608


def let_pass(*, days: int) -> None:
    """Move the instants of all rows into the past, and the ids of redemptions with them."""
    statements = """
        UPDATE redemptions SET decided_at = decided_at - interval '{days} days',
            effective_at = effective_at - interval '{days} days',
            id = CASE WHEN reason IS NULL THEN id ELSE overlay(id::text PLACING '01900000' FROM 1 FOR 8)::uuid END;
        UPDATE holds SET created_at = created_at - interval '{days} days',
            effective_at = effective_at - interval '{days} days';
        UPDATE dead_letters SET died_at = died_at - interval '{days} days';
        UPDATE write_answers SET created_at = created_at - interval '{days} days';
        UPDATE customer_erasures SET started_at = started_at - interval '{days} days',
            ended_at = ended_at - interval '{days} days'
    """
    tamper(statements.replace("{days}", str(days)))


@pytest.fixture
def old() -> dict[str, Any]:
    """Leave rows of every kind in two projects, and let 31 days pass. Return a refused request."""
    create_voucher(code="ONCE", restrictions={"maximumRedemptions": 1})
    assert redeem(code="ONCE")["outcome"] == "accepted"
    create_voucher(name="Held", code="HELD")
    release(reserve(code="HELD"))
    for number in range(5):
        redeem(code="ONCE", requestId=f"refused-{number}")
        redeem(code="ONCE", requestId=f"refused-{number}", project="other")
        reserve(code="ONCE")
        task_named("subscriptions.end")(
            request={"project": "gigs", "subscription": f"sub_{number}", "requestId": f"end-{number}"}
        )
        original = Original(
            queue="admin", headers={}, body=b"{}", content_type="application/json", content_encoding="utf-8"
        )
        give_up(key=("gigs", str(number)), task="vouchers.list", original=original, reason="Fault", attempts=1)
    let_pass(days=DAYS + 1)
    return {"requestId": "refused-1", "code": "ONCE"}


def test_without_settings_everything_is_kept(old: dict[str, Any]) -> None:  # noqa: ARG001 - leaves rows
    """For ever."""
    before = count_rows()
    assert prune() == NOTHING
    assert count_rows() == before


def test_what_is_younger_is_kept(old: dict[str, Any]) -> None:  # noqa: ARG001 - leaves rows
    """By a day."""
    before = count_rows()
    assert prune(keep_refused_days=32, keep_dead_letters_days=32, keep_answers_days=32) == NOTHING
    assert count_rows() == before


def test_what_is_older_is_deleted_in_batches(old: dict[str, Any]) -> None:  # noqa: ARG001 - leaves rows
    """Of every project. Accepted redemptions stay, and so do the requests of a moment ago."""
    redeem(code="ONCE")
    counted = {"refused": 15, "deadLetters": 5, "answers": 5}
    assert prune(**EVERYTHING) == NOTHING | counted
    assert count_rows() == {"redemptions": 2, "holds": 1, "dead_letters": 0, "write_answers": 0}
    assert prune(**EVERYTHING) == NOTHING


def test_a_pruned_request_is_decided_anew(old: dict[str, Any]) -> None:
    """That is what the promise of one answer means less."""
    first = redeem(**old)
    prune(keep_refused_days=DAYS)
    assert redeem(**old)["decidedAt"] != first["decidedAt"]


def test_the_keys_of_erasures_are_deleted_after_30_days() -> None:
    """From then on, nothing connects the pseudonym with the customer's id."""
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer="cus_1")
    task_named("customers.erase")(request={"project": "gigs", "customer": "cus_1"})
    let_pass(days=29)
    assert prune() == NOTHING
    let_pass(days=2)
    assert task_named("expiry.prune")(request={}) == NOTHING | {"erasureKeys": 1}


def test_an_accepted_redemption_is_kept_whatever_is_pruned() -> None:
    """The database refuses to delete it, because it explains the discount."""
    create_voucher(code="OPEN")
    redeem(code="OPEN")
    with transaction() as session:
        session.execute(text("SELECT set_config('scrip.pruned', 'redemptions', true)"))
        with pytest.raises(IntegrityError, match="accepted redemption is kept"):
            session.execute(text("DELETE FROM redemptions"))
