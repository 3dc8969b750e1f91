"""Importing an exclusive discount, and importing another beside one."""

import pytest

from tests.support.endings import end
from tests.support.holds import confirm, lapse, release, reserve
from tests.support.imports import ONE_CYCLE, elsewhere, import_discount, import_discounts
from tests.support.requests import create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")

ONE_IS_EXCLUSIVE = pytest.mark.parametrize(("imported", "there"), [(True, False), (False, True), (True, True)])

LET_GO = pytest.mark.parametrize("let_go", [release, lambda _: lapse()], ids=["released", "lapsed"])


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
@LET_GO
def test_a_hold_of_another_voucher_counts_until_it_has_ended(imported, there, let_go):
    """The refusal passes by itself, so it says that a retry can succeed."""
    mine = voucher(exclusive=imported)
    hold = reserve(voucher=voucher(exclusive=there), subscription="sub_1")
    answer = import_discount(mine)
    assert (answer["reason"], answer["retryable"]) == ("fully_reserved", True)
    let_go(hold)
    assert import_discount(mine)["outcome"] == "imported"


@LET_GO
@pytest.mark.parametrize("exclusive", [True, False])
def test_the_customers_own_hold_of_the_imported_voucher_is_waited_for(exclusive, let_go):
    """It can still be confirmed, and the voucher runs once on the subscription."""
    mine = voucher(exclusive=exclusive)
    hold = reserve(voucher=mine, customer="cus_1", subscription="sub_1")
    answer = import_discount(mine)
    assert (answer["reason"], answer["retryable"]) == ("fully_reserved", True)
    let_go(hold)
    assert import_discount(mine)["outcome"] == "imported"


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_confirmed_hold_is_the_discount_and_the_import_is_not(exclusive):
    """That refusal is final as long as the discount runs."""
    mine = voucher(exclusive=exclusive)
    confirm(reserve(voucher=mine, customer="cus_1", subscription="sub_1"))
    answer = import_discount(mine)
    assert (answer["reason"], answer["retryable"]) == ("already_applied", False)


def test_what_runs_goes_before_what_is_held():
    """No lapse ends that."""
    redeem(voucher=voucher(exclusive=False), subscription="sub_1")
    reserve(voucher=voucher(exclusive=False), subscription="sub_1")
    assert import_discount(voucher(exclusive=True))["reason"] == "not_combinable"


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
