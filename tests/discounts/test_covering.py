"""Which discounts may cover an invoice: one rule, in SQL for the locks and in Python for rows that are there."""

from typing import Any

import pytest
from sqlalchemy import select

from models.discounts.discount import DISCOUNTS
from models.discounts.of_subscription import find_covering, lock_covering, may_cover
from tests.discounts.calls import grant
from tests.support.endings import end
from tests.support.requests import apply, create_voucher
from tests.support.reversals import reverse
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def make_discount(terms: dict[str, Any], *, is_billed: bool, is_voided: bool, is_ended: bool, name: str) -> str:
    """Make a discount of a subscription of its own, in one of its states, and return its subscription."""
    subscription = f"sub_{name}"
    discount = grant(create_voucher(**terms)["id"], customer="cus_1", subscription=subscription)
    if is_billed:
        apply(invoice=f"inv_{name}", subscription=subscription)
    if is_voided:
        reverse(f"inv_{name}")
    if is_ended:
        end(discount["discount"])
    return subscription


def test_both_forms_of_the_rule_choose_the_same_discounts():
    """Of each kind: not yet billed, billed, billed and voided, and each of them ended as well."""
    vouchers: dict[str, dict[str, Any]] = {
        "once": {"recurrence": {"type": "once"}},
        "month": {"recurrence": {"type": "repeating", "durationInMonths": 1}},
        "forever": {"recurrence": {"type": "forever"}},
        # Completed by its first invoice.
        "balance": {"priceDiscount": {"amount": 1_000, "currency": "USD"}, "carryOver": True},
    }
    steps = {"new": (False, False), "billed": (True, False), "voided": (True, True)}
    subscriptions = [
        make_discount(
            terms, is_billed=is_billed, is_voided=is_voided, is_ended=is_ended, name=f"{kind}_{step}_{is_ended}"
        )
        for kind, terms in vouchers.items()
        for step, (is_billed, is_voided) in steps.items()
        for is_ended in (False, True)
    ]
    with transaction() as session:
        chosen = [each.id for each in session.execute(select(DISCOUNTS).order_by(DISCOUNTS.c.id)) if may_cover(each)]
        locked = lock_covering(session, subscriptions=[("gigs", each) for each in subscriptions])
        found = [row.id for each in subscriptions for row in find_covering(session, project="gigs", subscription=each)]
    # Ended discounts cover nothing. Of the others, only the one that was used for its single invoice covers none.
    assert len(chosen) == 11
    assert [each.id for each in locked] == chosen
    assert sorted(found) == chosen
