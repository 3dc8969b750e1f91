"""Erase a customer whose id another customer has in the twin, under the ids of everything of the project."""

import json
from itertools import count
from typing import Any

import pytest

from models.base import Base
from tasks.wire.dead_letters import give_up
from tests.customers.erasing import do_everything, erase
from tests.projects.copied_rows import copy_rows, forget_copies, locked_twins, rows_of
from tests.projects.twins import PROJECT, TWIN
from tests.support import requests
from tests.support.database_between_tests import empty_database, run_outside_transaction
from tests.support.holds import reserve
from tests.support.imports import elsewhere
from tests.support.requests import create_voucher, redemption
from tests.support.tasks import task_named
from worker.intake.delivery import Original

pytestmark = pytest.mark.usefixtures("database", "impatience")

ERASED, OTHER = "cus_erased", "cus_other"
# The customer of a row, and the texts of JSON that name one.
WITH_CUSTOMER = {
    table.name: [each for each in ("customer", "answer", "request", "parameters") if each in table.c]
    for table in Base.metadata.sorted_tables
}


def replaced(column: str, old: str, new: str) -> str:
    """Return the SQL of a column with another customer."""
    text = f"replace(CAST({column} AS text), '{old}', '{new}')"
    return f"{column} = {text}" if column == "customer" else f"{column} = CAST({text} AS json)"


def exchange_customers_of_twin() -> None:
    """Let the two customers change places in every row of the twin."""
    run_outside_transaction(
        *(
            f"UPDATE {table} SET {', '.join(replaced(each, old, new) for each in columns)} WHERE project = '{TWIN}'"  # noqa: S608 - our own tables
            for old, new in ((ERASED, "somebody"), (OTHER, ERASED), ("somebody", OTHER))
            for table, columns in WITH_CUSTOMER.items()
            if columns
        ),
        # An erasure leaves what was imported after its beginning.
        f"UPDATE imported_discounts SET created_at = created_at + interval '1 day' WHERE project = '{TWIN}'",  # noqa: S608 - our own name
    )


def let_both_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two customers of the project do all that leaves a row, under the same ids each time."""
    monkeypatch.setattr(requests, "_numbers", count(1))
    for customer, mark in ((ERASED, "-1"), (OTHER, "-2")):
        do_everything(customer=customer, mark=mark)
        redeemed = [redemption(code=f"MINE{mark}", customer=customer, subscription=f"sub_{each}") for each in "xy"]
        task_named("redemptions.redeem_many")(request={"requests": redeemed})
        reserve(code="UNKNOWN", customer=customer)
        give_up_message(redemption(code="OPEN", customer=customer), task_id=f"message{mark}")
        imported = elsewhere(voucher=create_voucher()["id"], ref=f"di{mark}", customer=customer, subscription="sub_z")
        task_named("discounts.import")(request=imported)


def give_up_message(request: dict[str, Any], *, task_id: str) -> None:
    """Store a redemption as a dead letter."""
    original = Original(
        queue="redemptions",
        headers={"argsrepr": "()", "kwargsrepr": ""},
        body=json.dumps([[], {"request": request}, {}]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    give_up(key=(PROJECT, task_id), task="redemptions.redeem", original=original, reason="Fault", attempts=3)


def others() -> list[tuple[str, ...]]:
    """Return the rows of the project that name the other customer."""
    return [row for row in rows_of(PROJECT) if OTHER in row[1]]


@pytest.mark.slow
def test_an_erasure_changes_nothing_that_the_customer_of_another_project_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """It renames as many rows as without the twin, whose rows are locked, and none of the other customer."""
    empty_database()
    let_both_do_everything(monkeypatch)
    alone: dict[str, Any] = erase(ERASED)
    empty_database()
    let_both_do_everything(monkeypatch)
    copy_rows()
    exchange_customers_of_twin()
    of_twin, of_other = rows_of(TWIN), others()
    with locked_twins():
        answer = erase(ERASED)
    assert answer["rows"] == alone["rows"]
    assert rows_of(TWIN) == of_twin
    assert others() == of_other
    # An audit would find the copies at fault.
    forget_copies()
