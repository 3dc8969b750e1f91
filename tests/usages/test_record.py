"""Record usage: once for each voucher, customer and reference, with the same answer for ever."""

import pytest
from sqlalchemy import func, select, text

from models.base import Base
from models.usages.recorded_usage import USAGE_RECORDS
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher, record, redeem, usage
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

SECRET = "s3cr3t-value"
UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def stored() -> int:
    """Count the recorded entries."""
    with transaction() as session:
        return session.execute(select(func.count()).select_from(USAGE_RECORDS)).scalar_one()


def test_an_entry_is_answered_with_every_field():
    """With the values of the request, and with the defaults."""
    voucher = create_voucher()["id"]
    answer = record(
        voucher=voucher, ref="receipt-a", refType="receipt", usage=2, amount=1250, currency="usd", createdBy="till-7"
    )
    assert answer.pop("id").startswith("use_")
    assert answer.pop("createdAt").endswith("Z")
    assert answer == {
        "object": "usage",
        "project": "gigs",
        "outcome": "recorded",
        "reason": None,
        "voucher": voucher,
        "customer": "cus_1",
        "ref": "receipt-a",
        "refType": "receipt",
        "usage": 2,
        "stamp": 0,
        "amount": 1250,
        "currency": "USD",
        "createdBy": "till-7",
        "currentStamp": 0,
        "redemption": None,
    }
    plain = record(voucher=voucher)
    assert (plain["refType"], plain["usage"], plain["amount"], plain["createdBy"]) == ("manual", 1, 0, None)


def test_the_same_entry_is_recorded_once_and_answered_the_same_for_ever():
    """Also after the voucher was retired, and with defaults spelt out."""
    voucher = create_voucher()["id"]
    request = usage(voucher=voucher)
    answers = [task_named("usages.record")(request=request) for _ in range(3)]
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher})
    answers.append(task_named("usages.record")(request={**request, "refType": "manual", "stamp": 0}))
    assert all(answer == answers[0] for answer in answers)
    assert stored() == 1


@pytest.mark.parametrize(
    "changed", [{"usage": 2}, {"amount": 1}, {"refType": "receipt"}, {"createdBy": "x"}, {"subscription": "sub_2"}]
)
def test_the_same_reference_with_another_body_is_a_conflict_and_the_first_stands(changed):
    """The conflict counts nothing and is not stored."""
    request = usage(voucher=create_voucher()["id"])
    first = task_named("usages.record")(request=request)
    conflict = task_named("usages.record")(request={**request, **changed})
    assert (conflict["outcome"], conflict["reason"], conflict["id"]) == ("refused", "idempotency_conflict", None)
    assert (conflict["usage"], conflict["stamp"], conflict["amount"]) == (0, 0, 0)
    assert set(conflict) == set(first)
    assert task_named("usages.record")(request=request) == first
    assert stored() == 1


def test_a_reference_is_unique_for_the_voucher_and_the_customer_only():
    """Another customer, voucher or project can use the same reference."""
    one, other = create_voucher()["id"], create_voucher()["id"]
    elsewhere = create_voucher(project="other")["id"]
    for fields in ({}, {"customer": "cus_2"}, {"voucher": other}, {"project": "other", "voucher": elsewhere}):
        assert record(**{"voucher": one, "ref": "receipt-1", **fields})["outcome"] == "recorded"
    assert stored() == 4


def test_an_unknown_voucher_is_not_found():
    """A voucher of another project is unknown too."""
    elsewhere = create_voucher(project="other")["id"]
    for voucher in (UNKNOWN, elsewhere):
        with pytest.raises(NotFound):
            record(voucher=voucher)
    assert stored() == 0


@pytest.mark.parametrize("end", ["retired", "expired"])
def test_a_retired_or_expired_voucher_still_takes_entries_without_stamps(end):
    """Usage from before its end is reported after it."""
    expired = {"restrictions": {"expiresAt": "2026-01-01T00:00:00Z"}} if end == "expired" else {}
    voucher = create_voucher(stampCard={"stamps": 10}, **expired)["id"]
    if end == "retired":
        task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher})
    assert record(voucher=voucher, usage=1, amount=500)["outcome"] == "recorded"
    request = usage(voucher=voucher, stamp=1, usage=1, amount=500)
    refused = task_named("usages.record")(request=request)
    assert (refused["outcome"], refused["reason"]) == ("refused", f"voucher_{end}")
    assert (refused["usage"], refused["stamp"], refused["amount"], refused["currentStamp"]) == (0, 0, 0, 0)
    assert task_named("usages.record")(request=request) == refused


def test_a_refusal_is_kept_for_its_reference():
    """Opening the voucher later does not change the answer. Another reference is judged anew."""
    voucher = create_voucher(stampCard={"stamps": 10}, restrictions={"startsAt": "2099-01-01T00:00:00Z"})["id"]
    request = usage(voucher=voucher, stamp=1)
    refused = task_named("usages.record")(request=request)
    assert refused["reason"] == "voucher_not_started"
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET starts_at = NULL"))
    assert task_named("usages.record")(request=request) == refused
    assert record(voucher=voucher, stamp=1)["currentStamp"] == 1


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"usage": 0}, ["amount"]),
        ({"usage": 0, "stamp": 0, "amount": 0}, ["amount"]),
        *(({"usage": value}, ["usage"]) for value in (-1, 1.0, "1", True, None, 10**12)),
        *(({"stamp": value}, ["stamp"]) for value in (-1, 1.0, "1", True, None, 1001)),
        *(({"amount": value}, ["amount"]) for value in (-1, 1.0, "1", True, None, 10**12)),
        *(({"ref": value}, ["ref"]) for value in ("", "r" * 256, 7, None, f"\x00{SECRET}")),
        *(({"refType": value}, ["refType"]) for value in ("", 7, None)),
        *(({"customer": value}, ["customer"]) for value in ("", 7, None, "\ud800")),
        *(({"voucher": value}, ["voucher"]) for value in ("", 7, None, SECRET, UNKNOWN.replace("vou", "red"))),
        ({"currency": "XXX"}, ["currency"]),
        ({"createdBy": ""}, ["createdBy"]),
        ({"subscription": ""}, ["subscription"]),
        ({"subtotal": -1}, ["subtotal"]),
        ({"startsOn": "yesterday"}, ["startsOn"]),
        ({"products": "prod_a"}, ["products"]),
        ({"bogus": SECRET}, ["?"]),
        ({"usage": -1, "currency": SECRET, "ref": ""}, ["ref", "usage", "currency"]),
    ],
)
def test_bad_input_names_every_bad_field_and_writes_nothing(fields, bad):
    """The error never shows a value."""
    request = usage(**{"voucher": UNKNOWN, **fields})
    with pytest.raises(InvalidRequest) as refused:
        task_named("usages.record")(request=request)
    assert [error["field"] for error in refused.value.errors] == bad
    assert SECRET not in str(refused.value)
    with transaction() as session:
        for table in Base.metadata.sorted_tables:
            assert session.execute(select(func.count()).select_from(table)).scalar_one() == 0


@pytest.mark.parametrize(("card", "stamp"), [(None, 1), ({"stamps": 10}, 11)])
def test_stamps_need_a_card_that_takes_them(card, stamp):
    """No stamps without a card, and at most as many at once as a card has."""
    voucher = create_voucher(stampCard=card)["id"]
    with pytest.raises(InvalidRequest) as refused:
        record(voucher=voucher, stamp=stamp)
    assert [error["field"] for error in refused.value.errors] == ["stamp"]
    assert stored() == 0


def test_an_entry_changes_no_discount():
    """An entry is a report. Only invoices use up a discount."""
    voucher = create_voucher(priceDiscount={"amount": 500, "currency": "USD"}, carryOver=True)
    redeem(voucher=voucher["id"], customer="cus_1", subscription="sub_1", currency="USD")
    with transaction() as session:
        before = session.execute(text("SELECT * FROM discounts")).one()
    record(voucher=voucher["id"], usage=1, amount=400, currency="USD")
    with transaction() as session:
        assert session.execute(text("SELECT * FROM discounts")).one() == before
