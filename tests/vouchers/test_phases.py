"""Vouchers in phases: what is accepted and shown, what an update may change, and what was changed."""

import pytest

from tests.support.bad_requests import fields_of
from tests.support.ramps import phase, ramp
from tests.support.requests import create_voucher, redeem, voucher_body
from tests.support.tasks import task_named
from tests.vouchers.calls import FIXED, MONTHS, errors, retrieve, unstamped, update

pytestmark = pytest.mark.usefixtures("database")

FIXED_IN_TWO = {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 450}}
RAMP = ramp(phase(33.3333, months=3), phase(amount=FIXED_IN_TWO, months=9))


def phases_of(*phases: dict) -> dict:
    """Return a recurrence of phases."""
    recurrence: dict = ramp(*phases)["recurrence"]
    return recurrence


def test_a_voucher_shows_its_phases():
    """With all fields. The voucher has no price, and its recurrence no duration beside them."""
    voucher = create_voucher(**RAMP)
    assert (voucher["priceDiscount"], voucher["priceDiscountPercentage"]) == (None, None)
    assert voucher["recurrence"] == {
        "type": "repeating",
        "durationInMonths": None,
        "durationInCycles": None,
        "phases": [
            {
                "priceDiscount": None,
                "priceDiscountPercentage": 33.3333,
                "durationInMonths": 3,
                "durationInCycles": None,
            },
            {
                "priceDiscount": FIXED_IN_TWO,
                "priceDiscountPercentage": None,
                "durationInMonths": 9,
                "durationInCycles": None,
            },
        ],
    }
    assert retrieve(voucher["id"]) == voucher


def test_so_does_its_discount():
    """Its `fullPriceFrom` is that of all phases together."""
    voucher = create_voucher(**RAMP)
    redeem(voucher=voucher["id"], customer="cus_1", currency="USD")
    (discount,) = task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"]
    for name in ("recurrence", "priceDiscount", "priceDiscountPercentage"):
        assert discount[name] == voucher[name]


@pytest.mark.parametrize(
    "phases",
    [
        [phase(50, months=1)],
        [phase(50, cycles=1)] * 12,
        [phase(0.0001, months=998), phase(100, months=1)],
        [phase(amount=1, cycles=3), phase(100, cycles=996)],
    ],
)
def test_one_to_twelve_phases_may_last_999_months_or_cycles(phases):
    """Of percentages and amounts."""
    assert len(create_voucher(**ramp(*phases))["recurrence"]["phases"]) == len(phases)


HALF, PRICELESS = phase(50, months=3), {"durationInMonths": 3}
PHASES, FIRST = "recurrence.phases", "recurrence.phases.0"
BAD = [
    ({"recurrence": phases_of()}, [PHASES]),
    ({"recurrence": phases_of(*[HALF] * 13)}, [PHASES]),
    ({"recurrence": phases_of(HALF, phase(25, cycles=3))}, [PHASES]),
    ({"recurrence": phases_of(phase(50, months=999), phase(25, months=1))}, [PHASES]),
    ({"recurrence": {**phases_of(HALF), "type": "forever"}}, [PHASES]),
    ({"recurrence": {**phases_of(HALF), "type": "once"}}, [PHASES]),
    ({"recurrence": {**phases_of(HALF), "durationInMonths": 3}}, ["recurrence.durationInMonths"]),
    ({"recurrence": {**phases_of(HALF), "durationInCycles": 3}}, ["recurrence.durationInCycles"]),
    ({"recurrence": {"type": "repeating", "phases": None}}, ["priceDiscountPercentage", "recurrence.durationInMonths"]),
    ({"recurrence": phases_of(PRICELESS)}, [f"{FIRST}.priceDiscountPercentage"]),
    ({"recurrence": phases_of({**HALF, "priceDiscount": FIXED})}, [f"{FIRST}.priceDiscountPercentage"]),
    ({"recurrence": phases_of({**HALF, "priceDiscountPercentage": 0.00001})}, [f"{FIRST}.priceDiscountPercentage"]),
    ({"recurrence": phases_of({"priceDiscountPercentage": 50})}, [f"{FIRST}.durationInMonths"]),
    ({"recurrence": phases_of({**HALF, "durationInCycles": 3})}, [f"{FIRST}.durationInMonths"]),
    ({"recurrence": phases_of({**HALF, "durationInMonths": 0})}, [f"{FIRST}.durationInMonths"]),
    ({"recurrence": phases_of(HALF, {**HALF, "bogus": True})}, ["recurrence.phases.1.?"]),
    ({**RAMP, "priceDiscountPercentage": 10}, ["recurrence"]),
    ({**RAMP, "priceDiscount": FIXED}, ["recurrence"]),
    ({**RAMP, "carryOver": True}, ["carryOver"]),
]


@pytest.mark.parametrize(("fields", "bad"), BAD)
def test_phases_that_make_no_sense_are_told_field_by_field(fields, bad):
    """And no other field is."""
    body = {name: value for name, value in voucher_body().items() if name != "priceDiscountPercentage"}
    assert fields_of(task_named("vouchers.create"), {**body, **fields}) == bad


def test_field_names_may_be_in_snake_case():
    """In the phases too."""
    phases = [{"price_discount_percentage": 50, "duration_in_months": 3, "price_discount": None}]
    body = {"project": "gigs", "name": "n", "price_discount_percentage": None}
    recurrence = {"type": "repeating", "duration_in_months": None, "phases": phases}
    voucher = task_named("vouchers.create")(request={**body, "recurrence": recurrence})
    assert voucher["recurrence"] == create_voucher(**ramp(HALF))["recurrence"]


def test_a_price_gives_way_to_phases_and_phases_to_a_price():
    """Before the first redemption. With a price, the recurrence has to be sent, too."""
    voucher = create_voucher()["id"]
    answer = update(voucher, **RAMP)
    assert (answer["priceDiscountPercentage"], answer["recurrence"]) == (None, create_voucher(**RAMP)["recurrence"])
    answer = update(voucher, **ramp(HALF))
    assert len(answer["recurrence"]["phases"]) == 1
    answer = update(voucher, priceDiscount=FIXED, recurrence=MONTHS)
    assert (answer["priceDiscount"], answer["recurrence"]["phases"]) == (FIXED, None)
    answer = update(voucher, **RAMP, priceDiscount=None)
    assert answer["priceDiscount"] is None


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"priceDiscountPercentage": 10}, ["priceDiscountPercentage"]),
        ({"priceDiscount": FIXED}, ["priceDiscount"]),
        ({"recurrence": MONTHS}, ["recurrence"]),
        ({**RAMP, "priceDiscount": FIXED}, ["recurrence"]),
        ({"carryOver": True}, ["carryOver"]),
    ],
)
def test_an_update_that_leaves_no_price_or_two_names_what_was_sent(fields, bad):
    """Nothing is written."""
    assert errors(create_voucher(**RAMP)["id"], **fields) == bad


def test_a_balance_cannot_be_in_phases():
    """The error names the field that was sent."""
    assert errors(create_voucher(priceDiscount=FIXED, carryOver=True)["id"], **RAMP) == ["recurrence"]


def test_a_voucher_in_phases_can_be_sent_back_whole():
    """Even after a redemption. Then no other phases are accepted."""
    voucher = create_voucher(**RAMP)["id"]
    redeem(voucher=voucher, currency="USD")
    before = retrieve(voucher)
    names = ("name", "priceDiscount", "priceDiscountPercentage", "recurrence", "carryOver", "restrictions")
    assert unstamped(update(voucher, **{name: before[name] for name in names})) == unstamped(before)
    other = ramp(phase(33.3334, months=3), phase(amount=FIXED_IN_TWO, months=9))
    assert update(voucher, **other)["reason"] == "voucher_already_redeemed"
    assert retrieve(voucher)["recurrence"] == before["recurrence"]


def test_the_history_tells_the_phases_before_and_after():
    """As the voucher shows them."""
    voucher = create_voucher(**ramp(HALF))
    changed = update(voucher["id"], **RAMP)
    update(voucher["id"], priceDiscountPercentage=10, recurrence={"type": "forever"})
    request = {"project": "gigs", "voucher": voucher["id"]}
    last, first, _ = task_named("vouchers.history")(request=request)["items"]
    assert (first["from"], first["to"]) == (
        {"recurrence": voucher["recurrence"]},
        {"recurrence": changed["recurrence"]},
    )
    assert last["to"]["priceDiscountPercentage"] == 10
    assert last["to"]["recurrence"]["phases"] is None


def test_the_same_phases_are_the_same_request():
    """Spelt out or not. Other phases under the same request id are a conflict."""
    phases = [phase(50, months=3), phase(25, months=9)]
    first = create_voucher(requestId="r1", **ramp(*phases))
    spelt_out = [{**each, "priceDiscount": None, "durationInCycles": None} for each in phases]
    assert create_voucher(requestId="r1", **ramp(*spelt_out)) == first
    assert create_voucher(requestId="r1", **ramp(*reversed(phases)))["reason"] == "idempotency_conflict"
