"""The vouchers that a run draws: each kind is a voucher, and together they have every kind of terms."""

import random

import pytest

from tests.faults.vouchers_by_seed import KINDS, new_voucher
from tests.support.tasks import task_named


@pytest.mark.usefixtures("database")
def test_a_run_draws_every_kind_of_terms():
    """Also ramps, and the terms that decide which invoices and lines are discounted."""
    drawn = [new_voucher(kind, random.Random(7), request_id=f"voucher_{number}") for number, kind in enumerate(KINDS)]  # noqa: S311 - must be repeatable
    vouchers = [task_named(each.task)(request=each.body) for each in drawn]
    assert all(each["object"] == "voucher" for each in vouchers)
    restrictions = [each["restrictions"] for each in vouchers]
    assert any(each["recurrence"]["phases"] for each in vouchers)
    assert any(each["exclusive"] and each["priority"] != 500 for each in vouchers)
    assert any(each["maximumDiscountInAll"] for each in vouchers)
    assert any(each["priceDiscountPercentage"] == 33.3333 for each in vouchers)
    assert any(each["excludedProducts"] for each in restrictions)
    assert any((each["minimumSubtotal"] or {}).get("on") == "invoice" for each in restrictions)
