"""Importing an exclusive discount, and importing another beside one."""

import pytest

from tests.support.endings import end
from tests.support.holds import release, reserve
from tests.support.imports import ONE_CYCLE, elsewhere, import_discount, import_discounts
from tests.support.requests import create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")

ONE_IS_EXCLUSIVE = pytest.mark.parametrize(("imported", "there"), [(True, False), (False, True), (True, True)])


def voucher(*, exclusive: bool, **fields) -> str:
    """Create a voucher, and return its id."""
    return str(create_voucher(exclusive=exclusive, **fields)["id"])


@ONE_IS_EXCLUSIVE
def test_an_exclusive_discount_is_not_imported_beside_another(imported, there):
    """Nothing is stored, so the same reference comes over when the other has ended."""
    mine = voucher(exclusive=imported)
    running = redeem(voucher=voucher(exclusive=there), subscription="sub_1")["discount"]
    answer = import_discount(mine)
    assert (answer["reason"], answer["retryable"]) == ("not_combinable", False)
    end(running)
    assert import_discount(mine)["outcome"] == "imported"


@ONE_IS_EXCLUSIVE
def test_a_hold_of_another_voucher_counts(imported, there):
    """Until it is released."""
    mine = voucher(exclusive=imported)
    hold = reserve(voucher=voucher(exclusive=there), subscription="sub_1")
    assert import_discount(mine)["reason"] == "not_combinable"
    release(hold)
    assert import_discount(mine)["outcome"] == "imported"


@ONE_IS_EXCLUSIVE
def test_of_two_in_a_batch_the_first_is_imported(imported, there):
    """Each decision counts those before it."""
    bodies = [elsewhere(voucher=voucher(exclusive=each)) for each in (there, imported)]
    first, second = import_discounts(bodies[0], {**bodies[1], "ref": "di_2"})
    assert (first["outcome"], second["reason"]) == ("imported", "not_combinable")


def test_a_redemption_is_not_beside_an_imported_exclusive_discount():
    """The imported discount has the terms of the voucher."""
    import_discount(voucher(exclusive=True))
    assert redeem(voucher=voucher(exclusive=False), subscription="sub_1")["reason"] == "not_combinable"


def test_an_exclusive_discount_that_is_over_stands_beside_any():
    """It runs on no subscription."""
    redeem(voucher=voucher(exclusive=False), subscription="sub_1")
    once = voucher(exclusive=True, recurrence={"type": "once"})
    assert import_discount(once, **ONE_CYCLE)["status"] == "completed"
    assert redeem(voucher=voucher(exclusive=False), subscription="sub_1")["outcome"] == "accepted"
