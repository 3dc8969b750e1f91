"""`billing.preview` with `redeem` answers the same as redeeming and billing later."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasks.wire.errors import InvalidRequest
from tests.histories import request_bodies, voucher_bodies
from tests.histories.placeholders import World, made
from tests.invoices.purchases import buy
from tests.invoices.test_preview_equals_apply import BILLED, PLANS
from tests.support.database_between_tests import empty_database
from tests.support.holds import reserve
from tests.support.requests import add_codes, apply, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")

# What happened to a voucher before the preview.
PASTS = st.sampled_from(["nothing", "nothing", "nothing", "redeemed here", "redeemed by others", "held by others"])
VOUCHERS = st.lists(st.tuples(voucher_bodies.VOUCHERS, voucher_bodies.NEW_CODES, PASTS), min_size=1, max_size=5)
STARTS_ON = st.sampled_from(["2026-01-01", "2026-01-01", "2027-03-15", None])
# The number of the voucher, and whether its code is typed.
TYPED = st.lists(st.tuples(st.integers(0, 5), st.booleans(), STARTS_ON), min_size=1, max_size=7)


def created(body: Any, code: Any, past: str, *, number: int, world: World) -> list[dict]:
    """Create a voucher with a code and a past, and return how the voucher is named by its id and by the code."""
    fields = {name: each for name, each in made(body, world=world).items() if name not in {"project", "code"}}
    voucher = create_voucher(**fields)
    # An expired voucher takes no code, so the code is unknown.
    with suppress(InvalidRequest):
        add_codes(voucher, {**made(code, world=world), "code": f"CODE-{number}"})
    purchase = {"voucher": voucher["id"], "currency": "USD", "products": ["prod_a", "prod_b"], "subtotal": 12_000}
    match past:
        case "redeemed here":
            redeem(**purchase, subscription="sub_1", customer="cus_1", startsOn="2026-01-01")
        case "redeemed by others":
            redeem(**purchase, subscription="sub_2", startsOn="2026-01-01")
        case "held by others":
            reserve(**purchase)
    return [{"voucher": voucher["id"]}, {"code": f"code-{number}"}]


@pytest.mark.slow
@settings(
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    new=VOUCHERS,
    billed=st.lists(st.tuples(request_bodies.LINES, BILLED, st.sampled_from(["sub_1", "sub_2"])), max_size=4),
    terms=PLANS,
    typed=TYPED,
    shown=st.fixed_dictionaries(
        {"periods": st.integers(1, 6), "from": st.sampled_from(["2027-01-01", "2027-02-28", "2026-06-01"])}
    ),
)
def test_a_preview_equals_redeeming_and_billing(new, billed, terms, typed, shown):
    """The vouchers have any terms, restrictions, codes and pasts. Each answer and each amount is compared."""
    empty_database()
    world = World(start=datetime.now(UTC), vouchers=[], cards=[], codes=[])
    names = [created(*each, number=number, world=world) for number, each in enumerate(new)]
    for lines, period, subscription in billed:
        apply(subscription=subscription, period=period, lines=made(lines, world=world))
    vouchers = [
        {**names[number % len(names)][by_code], **({"startsOn": starts_on} if starts_on else {})}
        for number, by_code, starts_on in typed
    ]
    buy(*vouchers, plan=terms, **shown)
