"""A customer of the same name is erased in another project at the same time."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from models.customers.erasure import begin_erasure
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def test_an_interrupted_erasure_of_another_project_does_not_go_on() -> None:
    """It keeps its own pseudonym, and its rows."""
    other = redeem(voucher=create_voucher(project="other")["id"], project="other", customer="cus_1")
    redeem(voucher=create_voucher()["id"], customer="cus_1")
    with transaction() as session:
        begin_erasure(session, project="other", customer="cus_1", actor=None, at=datetime.now(UTC))
    answer = task_named("customers.erase")(request={"project": "gigs", "customer": "cus_1"})
    assert answer["outcome"] == "erased"
    with transaction() as session:
        stay = session.execute(text("SELECT request_id FROM redemptions WHERE customer = 'cus_1'")).scalars().all()
        running = session.execute(text("SELECT project FROM customer_erasures WHERE ended_at IS NULL")).scalars().all()
    assert (stay, running) == ([other["requestId"]], ["other"])
