"""Count a redemption cheaply: the row of the voucher is updated on its own page, and no index is written."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tests.support.requests import create_voucher, redemption
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def test_no_index_mentions_the_counter():
    """Otherwise each count would write every index of the voucher anew."""
    with transaction() as session:
        definitions = session.scalars(text("SELECT indexdef FROM pg_indexes WHERE tablename = 'vouchers'")).all()
    assert len(definitions) > 5
    assert [each for each in definitions if "redemptions" in each] == []


@pytest.mark.parametrize("restrictions", [{}, {"maximumRedemptions": 2, "expiresAt": "2099-01-01T00:00:00Z"}])
def test_a_count_is_a_heap_only_update(restrictions):
    """With a limit that is not reached, and without a limit."""
    voucher = create_voucher(code="SUMMER", restrictions=restrictions)
    with transaction() as session:
        before = _updates(session)
        redeem_all(session, [Redeem.model_validate(redemption(voucher=voucher["id"]))])
        after = _updates(session)
    assert {kind: after[kind] - before[kind] for kind in before} == {"updated": 1, "hot_updated": 1}


def _updates(session: Session) -> dict[str, int]:
    # Of this connection, with its earlier transactions: so the test compares two readings.
    counters = {kind: f"pg_stat_get_xact_tuples_{kind}('vouchers'::regclass)" for kind in ("updated", "hot_updated")}
    return {kind: session.scalar(text(f"SELECT {counter}")) for kind, counter in counters.items()}
