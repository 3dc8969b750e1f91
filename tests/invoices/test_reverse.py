"""`billing.reverse`: replays, refusals, bad fields and the ledger."""

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.fields import uuid_of
from tests.support.administrator import as_administrator
from tests.support.requests import apply, invoice
from tests.support.reversals import GIVING_BACK, ONCE, discount_row, grant, refund, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_reversing_twice_changes_nothing(kind):
    """Under any request id, the first answer is returned, and nothing is written."""
    grant(recurrence={"type": "forever"})
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    first = reverse("inv_1", kind, requestId="r1")
    again = [
        reverse("inv_1", kind, requestId="r1"),
        reverse("inv_1", kind, requestId="r2"),
        reverse("inv_1", kind),
    ]
    assert again == [first] * 3
    assert (discount_row().cycles, discount_row().entries_given_back) == (1, 1)


def test_a_request_id_is_for_one_body():
    """Another body under the same id is a conflict, and reverses nothing."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    reverse("inv_1", requestId="r1")
    conflict = reverse("inv_2", requestId="r1")
    assert (conflict["outcome"], conflict["reason"], conflict["lines"]) == ("refused", "idempotency_conflict", [])
    assert discount_row().entries_given_back == 1


def test_an_invoice_without_a_discount_is_voided_too():
    """There is nothing to give back, and nothing to refund afterwards."""
    apply(invoice="inv_1")
    answer = reverse("inv_1")
    assert (answer["outcome"], answer["discountTotal"], answer["discounts"]) == ("reversed", 0, [])
    assert refund("inv_1", "r1", base=1)["reason"] == "already_reversed"


def test_an_invoice_that_was_not_applied_is_not_found():
    """An invoice of another project is not found either. After it is applied, the same request is answered."""
    for _ in range(2):
        with pytest.raises(NotFound, match="invoice"):
            reverse("inv_1", requestId="r1")
    apply(invoice="inv_1")
    with pytest.raises(NotFound, match="invoice"):
        task_named("billing.reverse")(request={"project": "other", "invoice": "inv_1", "kind": "voided"})
    assert reverse("inv_1", requestId="r1")["outcome"] == "reversed"


def test_an_invoice_is_voided_or_refunded_and_not_both():
    """The second is refused, in either order."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    refund("inv_1", "r1", base=1)
    reverse("inv_2")
    assert reverse("inv_1")["reason"] == "already_refunded"
    assert refund("inv_2", "r2", base=1)["reason"] == "already_reversed"
    assert reverse("inv_2", "payment_failed")["reason"] == "already_reversed"


def test_the_ledger_lists_reversals_that_point_to_the_reversed_entries():
    """Reversals are negative, and the statistics include them."""
    redeemed = grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    voided, refunded = reverse("inv_1"), refund("inv_2", "r1", base=4000)
    (item,) = task_named("usages.list")(request={"project": "gigs", "voucher": redeemed["voucher"]})["items"]
    refs = [(each["ref"], each["refType"], each["usage"], each["amount"]) for each in item["usageRefs"]]
    assert refs == [
        ("inv_1", "invoice", 1, 800),
        ("inv_2", "invoice", 1, 800),
        ("inv_1", "reversal", -1, -800),
        ("inv_2", "reversal", 0, -400),
    ]
    assert (item["statistics"]["usage"], item["statistics"]["amounts"]) == (1, {"USD": 400})
    assert item["updatedAt"] == refunded["reversedAt"]
    with transaction() as session:
        entries = {f"{row.id}": row.invoice for row in session.execute(text("SELECT * FROM usage_entries"))}
    assert [entries[str(uuid_of(each["discounts"][0]["reverses"]))] for each in (voided, refunded)] == [
        "inv_1",
        "inv_2",
    ]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"kind": "refunded"}, {"requestId", "lines"}),
        ({"kind": "voided", "lines": [{"id": "base", "amount": 1}]}, {"lines"}),
        ({"kind": "refunded", "requestId": "r1", "lines": []}, {"lines"}),
        ({"kind": "refunded", "requestId": "r1", "lines": [{"id": "a", "amount": 0}]}, {"lines.0.amount"}),
        ({"kind": "refunded", "requestId": "r1", "lines": [{"id": "a", "amount": 1}] * 2}, {"lines"}),
        ({"kind": "unknown", "invoice": ""}, {"kind", "invoice"}),
        ({"kind": "voided", "amount": 1}, {"amount"}),
        # Former fields.
        ({"reason": "voided"}, {"kind", "reason"}),
        ({"kind": "payment_failed", "chargedBack": True}, {"?"}),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_written(fields, bad):
    """The errors do not show the values sent."""
    grant()
    apply(invoice="inv_1")
    with pytest.raises(InvalidRequest) as error:
        task_named("billing.reverse")(request={"project": "gigs", "invoice": "inv_1", **fields})
    assert {each["field"] for each in error.value.errors} == bad
    assert discount_row().entries_given_back == 0


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_the_answer_to_a_reversed_invoice_says_so_and_is_the_first_otherwise(kind):
    """Another body is a conflict, which names no reversal. Neither takes anything off."""
    grant(**ONCE)
    body = invoice(invoice="inv_1")
    first = apply(**body)
    reversal = reverse("inv_1", kind)
    assert first["reversed"] is None
    assert apply(**body) == {**first, "reversed": {"kind": kind, "at": reversal["reversedAt"]}}
    conflict = apply(**{**body, "lines": [{"id": "base", "amount": 1}]})
    assert (conflict["reason"], conflict["reversed"]) == ("idempotency_conflict", None)
    assert discount_row().cycles == 0


def test_the_answer_to_an_invoice_names_its_latest_reversal():
    """Two refunds, and then a charge-back. A batch has each invoice with its own."""
    grant()
    bodies = [invoice(invoice=f"inv_{number}") for number in range(3)]
    task_named("billing.apply_many")(request={"invoices": bodies})
    latest = [None, refund("inv_1", "r1", base=1), refund("inv_2", "r2", base=1)]
    latest[1] = refund("inv_1", "r3", base=1)
    latest[2] = reverse("inv_2", "charged_back")
    shown = [each["reversed"] for each in task_named("billing.apply_many")(request={"invoices": bodies})["items"]]
    assert shown == [each and {"kind": each["kind"], "at": each["reversedAt"]} for each in latest]
    assert [each and each["kind"] for each in shown] == [None, "refunded", "charged_back"]


def test_a_reversal_that_gave_the_cycle_back_is_named_even_if_the_clock_was_set_back():
    """No other reversal can follow it."""
    grant()
    body = invoice(invoice="inv_1")
    apply(**body)
    refund("inv_1", "r1", base=1)
    reverse("inv_1", "charged_back")
    with as_administrator() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("invoice_reversals", "usage_reversals"):
            session.execute(text(f"UPDATE {table} SET created_at = '2026-01-01Z' WHERE kind = 'charged_back'"))  # noqa: S608 - the names above
    assert apply(**body)["reversed"] == {"kind": "charged_back", "at": "2026-01-01T00:00:00Z"}
