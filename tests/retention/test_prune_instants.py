"""The instant before which rows are pruned, exclusive, and rows of the same ids in another project."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text

from models.retention.pruning import prune_answers, prune_dead_letters, prune_refused, prune_refused_holds
from tests.intake.test_list_dead_letters import die
from tests.projects.copied_rows import copy_rows, rows_of
from tests.projects.twins import PROJECT, TWIN
from tests.support.database_between_tests import run_outside_transaction
from tests.support.endings import end_subscription
from tests.support.holds import reserve
from tests.support.requests import create_voucher, redeem
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

MOMENT = timedelta(microseconds=1)
# An id of an earlier year.
OLD_ID = "overlay(id::text PLACING '01900000' FROM 1 FOR 8)::uuid"
# What leaves a row, what prunes it, and the column with its instant.
Kind = tuple[Callable[[], object], Callable[..., int], str, str]
KINDS: dict[str, Kind] = {
    "redemptions": (partial(redeem, code="NONE"), partial(prune_refused, project=PROJECT), "redemptions", "decided_at"),
    "holds": (partial(reserve, code="NONE"), prune_refused_holds, "holds", "created_at"),
    "answers": (partial(end_subscription, requestId="r1"), prune_answers, "write_answers", "created_at"),
    "dead letters": (partial(die, "t1"), prune_dead_letters, "dead_letters", "died_at"),
}


def make_older(table: str, column: str, *, project: str = PROJECT) -> None:
    """Move the instants of a project's rows back by 8 days: the database deletes no younger one."""
    older = {column: f"{column} - interval '8 days'"}
    if table in {"redemptions", "holds"}:
        older["effective_at"] = "effective_at - interval '8 days'"
    if table == "redemptions":
        older["id"] = OLD_ID
    changes = ", ".join(f"{name} = {value}" for name, value in older.items())
    run_outside_transaction(f"UPDATE {table} SET {changes} WHERE project = '{project}'")  # noqa: S608 - our tables


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_pruned_after_its_instant(kind: str) -> None:
    """At the very instant, it is kept."""
    leave, prune, table, column = KINDS[kind]
    leave()
    make_older(table, column)
    with transaction() as session:
        instant: datetime = session.execute(text(f"SELECT {column} FROM {table}")).scalar_one()  # noqa: S608 - our tables
        assert [prune(session, before=each, limit=5) for each in (instant, instant + MOMENT)] == [0, 1]


@pytest.mark.parametrize("kind", ["redemptions", "holds", "answers"])
def test_a_row_of_the_same_id_in_another_project_is_kept(kind: str) -> None:
    """Only the twin's is old enough."""
    leave, prune, table, column = KINDS[kind]
    leave()
    copy_rows()
    make_older(table, column, project=TWIN)
    before = rows_of(PROJECT)
    with transaction() as session:
        week_ago = session.execute(text("SELECT clock_timestamp() - interval '7 days'")).scalar_one()
        of_twin = {"project": TWIN} if kind == "redemptions" else {}
        assert prune(session, before=week_ago, limit=5, **of_twin) == 1
    assert rows_of(PROJECT) == before


def test_an_accepted_redemption_of_any_age_is_kept() -> None:
    """Its id and its instants are old too."""
    redeem(voucher=create_voucher()["id"])
    with transaction() as session:
        later = session.execute(text("SELECT clock_timestamp() + interval '1 day'")).scalar_one()
        assert prune_refused(session, project=PROJECT, before=later, limit=5) == 0
