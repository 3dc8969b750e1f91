"""Update the fields of a voucher: the changed fields, the fields that stay, and invalid values."""

from datetime import datetime

import pytest
from sqlalchemy import text

from tasks.wire.errors import NotFound
from tests.codes.calls import listed
from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher, redeem
from tests.support.statements import SCANS, explained
from tests.support.tasks import task_named
from tests.vouchers.calls import EVERYTHING, FIXED, FUTURE, LATER, MONTHS, PAST, errors, retrieve, unstamped, update

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "Another"},
        {"code": "WINTER"},
        {"code": None},
        {"metadata": {"campaign": "autumn"}},
        {"metadata": {}},
        {"priceDiscount": {"amount": 1, "currency": "EUR", "currencyOptions": {}}},
        {"recurrence": {"type": "once", "durationInMonths": None, "durationInCycles": None, "phases": None}},
        {"recurrence": {"type": "repeating", "durationInMonths": None, "durationInCycles": 4, "phases": None}},
        {"carryOver": True},
        {"maximumDiscountInAll": {"amount": 1, "currency": "EUR", "currencyOptions": {"USD": 2}}},
        {"stampCard": {"stamps": 5, "expireDays": None}},
    ],
)
def test_what_is_sent_changes_and_what_is_not_sent_stays(fields):
    """The answer is the whole updated voucher."""
    before = task_named("vouchers.create")(request=EVERYTHING)
    answer = update(before["id"], **fields)
    assert unstamped(answer) == unstamped({**before, **fields})
    assert answer == retrieve(before["id"])


@pytest.mark.parametrize(
    "restrictions",
    [
        {},
        {"startsAt": "2025-01-01T00:00:00Z"},
        {"expiresAt": LATER},
        {"startsAt": "2097-01-01T00:00:00Z", "expiresAt": FUTURE},
        {"maximumRedemptions": 7},
        {"maximumRedemptionsPerCustomer": 7},
        {"products": ["prod_c"]},
        {"excludedProducts": ["prod_z"]},
        {"firstPurchaseOnly": True},
        {"firstPurchaseOnly": False},
        {"products": ["prod_x"], "excludedProducts": ["prod_a"]},
        {"minimumSubtotal": {"amount": 1, "currency": "EUR", "on": "redemption"}},
        {"startsAt": None},
        {"expiresAt": None},
        {"maximumRedemptions": None},
        {"maximumRedemptionsPerCustomer": None},
        {"products": None},
        {"excludedProducts": None},
        {"minimumSubtotal": None},
    ],
)
def test_a_restriction_that_is_sent_changes_and_null_takes_it_away(restrictions):
    """The other restrictions stay."""
    before = task_named("vouchers.create")(request=EVERYTHING)
    answer = update(before["id"], restrictions=restrictions)
    assert unstamped(answer) == unstamped({**before, "restrictions": {**before["restrictions"], **restrictions}})
    assert answer == retrieve(before["id"])


@pytest.mark.parametrize(
    ("restrictions", "bad"),
    [
        ({"products": ["prod_b", "prod_c"]}, "restrictions.products"),
        ({"excludedProducts": ["prod_a"]}, "restrictions.excludedProducts"),
        ({"products": ["prod_d"], "excludedProducts": ["prod_d"]}, "restrictions.excludedProducts"),
    ],
)
def test_no_product_is_both_discounted_and_excluded_whichever_was_sent(restrictions, bad):
    """The error names the field that was sent."""
    voucher = create_voucher(restrictions={"products": ["prod_a"], "excludedProducts": ["prod_b"]})["id"]
    assert errors(voucher, restrictions=restrictions) == [bad]


def test_a_first_purchase_is_a_yes_or_a_no():
    """Null is neither, as for `carryOver`. An update that sends false is another than one that leaves it out."""
    voucher = create_voucher(restrictions={"firstPurchaseOnly": True})["id"]
    assert errors(voucher, restrictions={"firstPurchaseOnly": None}) == ["restrictions.firstPurchaseOnly"]
    assert update(voucher, requestId="r1", restrictions={})["restrictions"]["firstPurchaseOnly"] is True
    assert (
        update(voucher, requestId="r1", restrictions={"firstPurchaseOnly": False})["reason"] == "idempotency_conflict"
    )
    assert update(voucher, restrictions={"firstPurchaseOnly": False})["restrictions"]["firstPurchaseOnly"] is False


def test_field_names_may_be_in_snake_case():
    """As in every task."""
    voucher = create_voucher()["id"]
    answer = update(voucher, request_id="r1", price_discount_percentage=30.12, restrictions={"maximum_redemptions": 5})
    assert (answer["priceDiscountPercentage"], answer["restrictions"]["maximumRedemptions"]) == (30.12, 5)


def test_one_kind_of_discount_takes_the_place_of_the_other():
    """A null for the other kind is allowed, because a retrieved voucher shows null."""
    voucher = create_voucher(priceDiscountPercentage=10)["id"]
    answer = update(voucher, priceDiscount=FIXED)
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (FIXED, None)
    answer = update(voucher, priceDiscountPercentage=12.5, priceDiscount=None)
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (None, 12.5)
    assert unstamped(update(voucher, priceDiscount=None)) == unstamped(answer)


def test_a_voucher_can_be_sent_back_whole():
    """Sending back a retrieved voucher changes nothing, even after a redemption."""
    voucher = task_named("vouchers.create")(request=EVERYTHING)["id"]
    redeem(voucher=voucher, currency="USD", products=["prod_a"], subtotal=5000, isFirstPurchase=True)
    before = retrieve(voucher)
    writable = {name: before[name] for name in EVERYTHING if name != "project"}
    assert unstamped(update(voucher, **writable, priceDiscountPercentage=None)) == unstamped(before)


@pytest.mark.parametrize(
    ("restrictions", "bad"),
    [
        ({"startsAt": "2026-06-01T00:00:00Z"}, "restrictions.startsAt"),
        ({"startsAt": LATER}, "restrictions.startsAt"),
        ({"expiresAt": "2025-06-01T00:00:00Z"}, "restrictions.expiresAt"),
        ({"expiresAt": PAST}, "restrictions.expiresAt"),
        ({"startsAt": LATER, "expiresAt": LATER}, "restrictions.expiresAt"),
    ],
)
def test_the_resulting_window_must_make_sense_whichever_half_was_sent(restrictions, bad):
    """The error names the field that was sent."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "expiresAt": "2026-06-01T00:00:00Z"})["id"]
    assert errors(voucher, restrictions=restrictions) == [bad]


def test_a_window_may_move_as_a_whole():
    """If both ends are sent, neither is compared with the stored window."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "expiresAt": FUTURE})["id"]
    window = {"startsAt": LATER, "expiresAt": "2100-01-01T00:00:00Z"}
    assert update(voucher, restrictions=window)["restrictions"] | window == update(voucher)["restrictions"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"carryOver": True, "recurrence": {"type": "once"}}, ["carryOver"]),
        ({"priceDiscountPercentage": 10}, ["priceDiscountPercentage"]),
        ({"recurrence": {"type": "once"}}, ["recurrence"]),
        ({"priceDiscountPercentage": 10, "recurrence": {"type": "once"}}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": None, "recurrence": {"type": "once"}}, ["recurrence"]),
        ({"priceDiscount": None, "recurrence": MONTHS}, ["priceDiscount", "priceDiscount"]),
    ],
)
def test_a_balance_keeps_what_it_needs_whichever_field_was_sent(fields, bad):
    """A balance needs an amount and a next invoice. No error names a field that was not sent."""
    voucher = create_voucher(priceDiscount=FIXED, carryOver=True)
    assert errors(voucher["id"], **fields) == bad


@pytest.mark.parametrize(
    ("terms", "fields", "bad"),
    [
        ({"carryOver": True}, {"maximumDiscountInAll": FIXED}, ["maximumDiscountInAll"]),
        ({"maximumDiscountInAll": FIXED}, {"carryOver": True}, ["carryOver"]),
        ({}, {"carryOver": True, "maximumDiscountInAll": FIXED}, ["maximumDiscountInAll"]),
        ({"carryOver": True}, {"carryOver": False, "maximumDiscountInAll": FIXED}, []),
        ({"maximumDiscountInAll": FIXED}, {"carryOver": True, "maximumDiscountInAll": None}, []),
    ],
)
def test_a_discount_has_one_total_whichever_field_was_sent(terms, fields, bad):
    """A balance has no maximum in all beside it."""
    voucher = create_voucher(priceDiscount=FIXED, **terms)["id"]
    if bad:
        assert errors(voucher, **fields) == bad
    else:
        assert update(voucher, **fields)["updatedAt"] is not None


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"recurrence": None}, ["recurrence"]),
        ({"restrictions": None}, ["restrictions"]),
        ({"metadata": None}, ["metadata"]),
        ({"metadata": {"a": []}}, ["metadata"]),
        ({"code": "a b", "name": 5}, ["name", "code"]),
        ({"priceDiscountPercentage": None}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": None, "priceDiscount": None}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": 10, "priceDiscount": FIXED}, ["priceDiscountPercentage"]),
        ({"recurrence": {"type": "repeating"}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"durationInMonths": 3}}, ["recurrence.type"]),
        ({"restrictions": {"maximumRedemptions": 0}}, ["restrictions.maximumRedemptions"]),
        ({"restrictions": {"expires": None}}, ["restrictions.?"]),
        ({"redemptionCount": 0}, ["?"]),
        ({"status": "available"}, ["status"]),
        ({"requestId": ""}, ["requestId"]),
    ],
)
def test_bad_input_is_told_field_by_field_and_writes_nothing(fields, bad):
    """The fields cannot be removed, do not fit each other, or cannot be updated."""
    assert errors(create_voucher()["id"], **fields) == bad


def test_a_fixed_discount_cannot_be_taken_away_either():
    """The error names the field that was sent."""
    assert errors(create_voucher(priceDiscount=FIXED)["id"], priceDiscount=None) == ["priceDiscount"]


def test_what_does_not_exist_is_not_found():
    """Nor is a voucher of another project."""
    foreign = create_voucher(project="other")["id"]
    for unknown in (foreign, "vou_01m802aq92e78rshs8mnssdx40"):
        with pytest.raises(NotFound):
            update(unknown, name="n", requestId="r1")
    assert task_named("vouchers.retrieve")(request={"project": "other", "voucher": foreign})["name"] != "n"


@pytest.mark.parametrize("known", ["nothing", "everything"])
def test_no_statement_of_an_update_reads_a_table(known):
    """No plan has a sequential scan, with or without statistics."""
    codes = [create_voucher(code=f"CODE-{index}")["id"] for index in range(40)]
    if known == "everything":
        with as_administrator() as session:
            session.execute(text("ANALYZE vouchers, write_answers"))
    with explained() as plans:
        update(codes[0], code="WINTER", requestId="r1")
        update(codes[0], code="WINTER", requestId="r1")
    assert len(plans) > 10
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


def test_an_update_is_shown_with_its_instant():
    """Of a voucher, and of its own code if the capitals change. A refused update and a redemption change neither."""
    voucher = create_voucher(code="SUMMER")
    assert voucher["updatedAt"] is None
    changed = update(voucher["id"], name="Other")
    assert datetime.fromisoformat(changed["updatedAt"]) > datetime.fromisoformat(voucher["createdAt"])
    redeem(voucher=voucher["id"])
    assert update(voucher["id"], priceDiscountPercentage=11)["outcome"] == "refused"
    assert retrieve(voucher["id"])["updatedAt"] == changed["updatedAt"]
    assert [each["updatedAt"] for each in listed(voucher)] == [None]
    respelt = update(voucher["id"], code="Summer")
    assert [(each["code"], each["updatedAt"]) for each in listed(voucher)] == [("Summer", respelt["updatedAt"])]
    retired = task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    assert retired["updatedAt"] == respelt["updatedAt"]
