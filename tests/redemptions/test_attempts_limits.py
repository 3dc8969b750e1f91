"""The counts of unknown codes: their window at its instants, their locks, and the customers of other projects."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models.redemptions.failed_attempts import count_attempts, find_attempts, forget_attempts
from tests.support.administrator import as_administrator
from tests.support.begun_with import begun_with
from tests.support.concurrency import until_somebody_waits
from tests.support.requests import redeem
from worker.database import transaction
from worker.settings import settings

pytestmark = pytest.mark.usefixtures("wide_pool")

BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
LATER = BEGAN + timedelta(minutes=1)
KEY = ("gigs", "cus_1")
# A locked row would never become free here, because the holder waits too.
FREE = text("SET LOCAL lock_timeout = '1s'")


def count(*customers: str, project: str = "gigs", number: int = 1) -> None:
    """Count unknown codes of customers, from the beginning on."""
    with transaction() as session:
        tried = [(project, each, number) for each in customers]
        count_attempts(session, tried=tried, now=BEGAN, since=BEGAN - timedelta(minutes=10))


@pytest.mark.parametrize(("since", "counted"), [(BEGAN - MOMENT, 3), (BEGAN, 1)])
def test_a_count_goes_on_until_the_window_is_over_exclusive(since, counted):
    """`since` is the beginning of the window: a count that began then is over."""
    count("cus_1", number=2)
    with transaction() as session:
        assert find_attempts(session, keys=[KEY], since=since) == ({KEY: 2} if counted > 1 else {})
        assert count_attempts(session, tried=[(*KEY, 1)], now=LATER, since=since) == {KEY: counted}
        began_at = session.execute(text("SELECT began_at FROM failed_attempts")).scalar_one()
    assert began_at == (BEGAN if counted > 1 else LATER)


@pytest.mark.parametrize(("until", "forgotten"), [(BEGAN - MOMENT, 0), (BEGAN, 1)])
def test_a_count_is_forgotten_when_its_window_is_over(until, forgotten):
    """From the instant on at which it counts no longer."""
    count("cus_1")
    with transaction() as session:
        assert forget_attempts(session, until=until, batch_size=5) == forgotten


def test_the_count_of_a_customer_of_another_project_is_not_forgotten():
    """Only that of the other project is due."""
    count("cus_1", project="other")
    with transaction() as session:
        count_attempts(session, tried=[(*KEY, 1)], now=LATER, since=BEGAN)
        assert forget_attempts(session, until=BEGAN, batch_size=5) == 1
        assert session.execute(text("SELECT project FROM failed_attempts")).scalars().all() == ["gigs"]


def test_whoever_waits_for_the_first_customer_holds_no_other():
    """The batch names the customers in the opposite order."""
    tried = [("gigs", each, 1) for each in ("cus_2", "cus_1")]
    count("cus_1", "cus_2")

    def count_both() -> None:
        with transaction() as session:
            count_attempts(session, tried=tried, now=LATER, since=BEGAN)

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        count_attempts(holder, tried=tried[1:], now=LATER, since=BEGAN)
        waiting = threads.submit(count_both)
        until_somebody_waits(holder)
        with transaction() as other:
            other.execute(FREE)
            count_attempts(other, tried=tried[:1], now=LATER, since=BEGAN)
            other.rollback()
        holder.rollback()
        waiting.result()


def test_forgetting_waits_for_nobody():
    """The count is due, and a batch that counts has locked it."""
    count("cus_1")
    with transaction() as holder, transaction() as session:
        count_attempts(holder, tried=[(*KEY, 1)], now=LATER, since=BEGAN)
        session.execute(FREE)
        try:
            assert forget_attempts(session, until=LATER, batch_size=5) == 0
        except OperationalError:
            session.rollback()
            raise


def test_a_customer_who_has_to_wait_is_not_locked():
    """The answer comes although another transaction has locked the customer's count."""
    with as_administrator() as session:
        session.execute(
            text("INSERT INTO failed_attempts VALUES ('gigs', 'cus_1', clock_timestamp(), :attempts)"),
            {"attempts": settings().unknown_codes_max},
        )
    with transaction() as holder, begun_with("SET LOCAL lock_timeout = '1s'"):
        holder.execute(text("SELECT FROM failed_attempts FOR UPDATE"))
        assert redeem(customer="cus_1", code="GUESS")["reason"] == "too_many_attempts"
