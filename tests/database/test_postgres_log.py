"""PostgreSQL's log says that a statement failed, and nothing of the rows."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher, redeem
from tests.support.waiting import eventually
from worker.database import transaction

CANARY = "canary-7f3a"
# An everyday conflict, a row that no constraint allows, a change of the ledger, and a statement with a typing error.
FAILING = {
    "a request id that another caller stores at the same moment": (
        "INSERT INTO redemptions SELECT * FROM redemptions",
        'duplicate key value violates unique constraint "pk_redemptions"',
    ),
    "a row that must not be": (
        "INSERT INTO subscriptions (project, subscription) VALUES (NULL, 'CANARY')",
        'null value in column "project"',
    ),
    "a limit": ("UPDATE vouchers SET redemptions = 9", "ck_vouchers_redemptions_within_maximum"),
    "an append-only table": (
        "UPDATE redemptions SET customer = customer || 'CANARY'",
        "redemptions is append-only: UPDATE is refused",
    ),
    "a column that is not there": ("SELECT 'CANARY', missing FROM vouchers", 'column "missing" does not exist'),
}


@pytest.mark.parametrize("case", FAILING)
def test_an_error_is_logged_without_a_value(case: str, database: dict[str, str]) -> None:
    """Neither with the values of the row nor with those of the statement."""
    statement, said = FAILING[case]
    redeem(
        voucher=create_voucher(name=CANARY, code=CANARY, restrictions={"maximumRedemptions": 3})["id"],
        customer=CANARY,
        subscription=f"sub-{CANARY}",
        requestId=f"request-{CANARY}",
    )
    log = Path(database["SCRIP_BEAT_SCHEDULE_FILE"]).parent / "logs" / "postgres.log"
    before = log.stat().st_size
    with pytest.raises(DBAPIError) as raised, as_administrator() as session:
        session.execute(text(statement.replace("CANARY", CANARY)))
    assert said in str(raised.value)
    eventually(lambda: said in log.read_text()[before:])
    assert CANARY not in log.read_text()


def test_a_parameter_is_not_logged(database: dict[str, str]) -> None:
    """An error that a value causes names the value, so no value reaches a cast: the contract checks each before."""
    log = Path(database["SCRIP_BEAT_SCHEDULE_FILE"]).parent / "logs" / "postgres.log"
    before = log.stat().st_size
    with pytest.raises(DBAPIError), transaction() as session:
        session.execute(text("SELECT 1 / (length(:word) - length(:word))"), {"word": CANARY})
    eventually(lambda: "division by zero" in log.read_text()[before:])
    assert CANARY not in log.read_text()
