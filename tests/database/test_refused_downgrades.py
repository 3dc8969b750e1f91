"""A database does not go down to a release that would not know its rows."""

from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from sqlalchemy.exc import ProgrammingError

from models.base import read_clock
from models.customers.erasure import begin_erasure
from tests.database.migrating import MIGRATIONS, configuration, rows_of
from tests.foreign.stripe import import_coupon
from tests.support.credits import credit
from tests.support.environment import changed_environment
from tests.support.imports import ONE_CYCLE, import_discount
from tests.support.ramps import phase, ramp
from tests.support.requests import add_codes, apply, create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction


def credited() -> None:
    """Credit an invoice."""
    apply(invoice="inv_1")
    credit(1_000, of="inv_1")


def in_phases() -> None:
    """Create a voucher in phases."""
    create_voucher(**ramp(phase(50, months=3)))


def a_third() -> None:
    """Create a voucher of a third."""
    create_voucher(priceDiscountPercentage=33.3333)


def an_erasure() -> None:
    """Begin to erase a customer, as a task does that is interrupted then."""
    with transaction() as session:
        at = read_clock(session)
        begin_erasure(session, project="gigs", customer="cus_1", actor=None, request_key=None, at=at)


def an_import() -> None:
    """Import a discount in the place of a redemption that was imported with its voucher."""
    import_discount(import_coupon(times_redeemed=1)["id"], **ONE_CYCLE, taken={"USD": 500})


def voucher_with(**fields: Any) -> Callable[[], None]:
    """Return the step that creates such a voucher."""

    def step() -> None:
        create_voucher(**fields)

    return step


def discount_of(changed: dict[str, Any], **fields: Any) -> Callable[[], None]:
    """Return the step that redeems such a voucher, whose terms are then changed: only the discount has them."""

    def step() -> None:
        voucher = create_voucher(**fields)["id"]
        redeem(voucher=voucher)
        task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher, **changed})

    return step


def code_with_a_limit() -> None:
    """Add a code that each customer may use once."""
    add_codes(create_voucher(), {"code": "ONCE", "maximumRedemptionsPerCustomer": 1})


MINIMUM = {"minimumSubtotal": {"amount": 100, "currency": "USD", "on": "invoice"}}
EXCLUDED = {"excludedProducts": ["prod_a"]}


@pytest.mark.parametrize(
    ("add", "revision", "message"),
    [
        (credited, "0007", "an invoice was credited"),
        (in_phases, "0022", "has phases"),
        (a_third, "0021", "has more than two decimals"),
        (voucher_with(maximumDiscountInAll={"amount": 1, "currency": "USD"}), "0025", "has a maximum in all"),
        (an_import, "0023", "a discount was imported"),
        (voucher_with(exclusive=True), "0024", "one of the vouchers is exclusive"),
        (voucher_with(priority=499), "0024", "one of the vouchers has a priority"),
        (voucher_with(restrictions=MINIMUM), "0024", "a voucher has a minimum of each invoice"),
        (
            discount_of({"restrictions": {"minimumSubtotal": None}}, restrictions=MINIMUM),
            "0024",
            "a discount has a minimum of each invoice",
        ),
        (voucher_with(restrictions=EXCLUDED), "0020", "a voucher has excluded products"),
        (
            discount_of({"restrictions": {"excludedProducts": None}}, restrictions=EXCLUDED),
            "0020",
            "a discount has excluded products",
        ),
        (voucher_with(restrictions={"firstPurchaseOnly": True}), "0020", "is for first purchases only"),
        (code_with_a_limit, "0020", "a code limits its customers"),
        (an_erasure, "0019", "an erasure has not ended"),
    ],
)
def test_no_migration_down_loses_what_an_earlier_release_does_not_know(
    database: dict[str, str], add: Callable[[], None], revision: str, message: str
):
    """It is refused, and changes nothing."""
    add()
    before = rows_of(database["DATABASE_ADMINISTRATOR_URL"])
    with (
        changed_environment(DATABASE_URL=database["DATABASE_ADMINISTRATOR_URL"]),
        pytest.raises(ProgrammingError, match=message),
    ):
        command.downgrade(configuration(MIGRATIONS), revision)
    assert rows_of(database["DATABASE_ADMINISTRATOR_URL"]) == before
