"""`billing.list`, `billing.retrieve` and `reversals.list`: owners, pages, later reversals and credits, bad fields."""

from functools import partial
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.credits import credit
from tests.support.pages import items, listed, pages_backward, pages_forward
from tests.support.requests import apply, invoice
from tests.support.reversals import grant, refund, reverse
from tests.support.statements import meanwhile
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

OTHER = {"project": "other"}


def retrieve(invoice_id: str, **fields: Any) -> dict[str, Any]:
    """Retrieve an invoice of the project."""
    answer: dict[str, Any] = task_named("billing.retrieve")(
        request={"project": "gigs", "invoice": invoice_id, **fields}
    )
    return answer


def test_an_invoice_is_shown_with_everything_that_was_reversed_since():
    """Each reversal as it was answered, and each credit with the crediting invoice, oldest first."""
    discount = grant()["discount"]
    applied = apply(invoice="inv_1")
    assert retrieve("inv_1") == {**applied, "reversals": []}
    refunded = refund("inv_1", "r1", base=1_000)
    credited = credit(500, of="inv_1", invoice="inv_2")
    reverse("inv_2")
    voided = reverse("inv_1", "charged_back", requestId="r2")
    shown = retrieve("inv_1")
    reversals = shown.pop("reversals")
    assert shown == apply(invoice="inv_1")
    assert shown["reversed"] == {"kind": "charged_back", "at": voided["reversedAt"]}
    assert [reversals[0], reversals[3]] == [refunded, voided]
    of_credit = {
        "object": "credit",
        "id": reversals[1]["id"],
        "project": "gigs",
        "invoice": "inv_1",
        "kind": "credited",
        "creditedBy": "inv_2",
        "currency": "USD",
        "amount": 500,
        "discountTotal": 50,
        "lines": [{"id": "base", "amount": 500, "discountShare": 50}],
        "discounts": [{"discount": discount, "amount": 50}],
        "at": credited["appliedAt"],
    }
    assert reversals[1] == of_credit
    assert reversals[2] == {
        **of_credit,
        "id": reversals[2]["id"],
        "kind": "credit_reversed",
        "amount": -500,
        "discountTotal": -50,
        "lines": [{"id": "base", "amount": -500, "discountShare": -50}],
        "discounts": [{"discount": discount, "amount": -50}],
        "at": reversals[2]["at"],
    }


def test_an_invoice_that_is_voided_during_the_read_is_voided_or_not():
    """What the answer names as reversed, and all reversals, are of the same instant."""
    grant()
    applied = apply(invoice="inv_1")
    with meanwhile(partial(reverse, "inv_1"), before="SELECT id, kind, lines, answer"):
        assert retrieve("inv_1") == {**applied, "reversals": []}
    assert [each["kind"] for each in retrieve("inv_1")["reversals"]] == ["voided"]


def test_an_unknown_invoice_is_not_found():
    """Neither one that was never sent, nor one of another project, nor as a position."""
    apply(invoice="inv_1")
    with pytest.raises(NotFound):
        retrieve("inv_2")
    with pytest.raises(NotFound):
        retrieve("inv_1", **OTHER)
    for position in ("after", "before"):
        with pytest.raises(NotFound):
            listed("billing.list", subscription="sub_1", **{position: "inv_2"})
        with pytest.raises(NotFound):
            listed("billing.list", **OTHER, subscription="sub_1", **{position: "inv_1"})


def test_invoices_are_listed_by_owner_with_their_latest_reversal():
    """As a repetition answers each of them."""
    grant()
    for number in (1, 2, 3):
        apply(invoice=f"inv_{number}")
    apply(invoice="inv_4", subscription="sub_2")
    refund("inv_2", "r1", base=1_000)
    credit(500, of="inv_3", invoice="inv_5", subscription="sub_3", customer="cus_2")
    answers = {number: retrieve(f"inv_{number}") for number in range(1, 6)}
    for each in answers.values():
        del each["reversals"]
    assert [answers[number]["reversed"] is None for number in (1, 2, 3)] == [True, False, False]
    assert items("billing.list", subscription="sub_1") == [answers[3], answers[2], answers[1]]
    assert items("billing.list", customer="cus_1") == [answers[4], answers[3], answers[2], answers[1]]
    assert items("billing.list", customer="cus_1", subscription="sub_2") == [answers[4]]
    assert items("billing.list", customer="cus_2") == [answers[5]]
    assert items("billing.list", customer="cus_2", subscription="sub_1") == []
    assert items("billing.list", **OTHER, customer="cus_1") == []


@pytest.mark.parametrize("owner", [{"customer": "cus_1"}, {"subscription": "sub_1"}])
def test_pages_of_invoices_follow_each_other_in_both_directions(owner):
    """Invoices of a batch have the same instant. Of these, a page shows some."""
    for first in (0, 4, 8):
        invoices = [invoice(invoice=f"inv_{number:02}") for number in range(first, first + 4)]
        task_named("billing.apply_many")(request={"invoices": invoices[::-1]})
    expected = [f"inv_{number:02}" for number in range(11, -1, -1)]
    for limit in (1, 3, 5):
        pages = pages_forward("billing.list", **owner, limit=limit)
        assert [each["invoice"] for page in pages for each in page] == expected
        back = pages_backward("billing.list", **owner, limit=limit, before="inv_00")
        assert [each["invoice"] for page in reversed(back) for each in page] == expected[:-1]
    assert items("billing.list", **owner, limit=0) == []


def test_reversals_are_listed_by_owner_and_kind():
    """As they were answered. Credits are not listed, because they are lines of other invoices."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    apply(invoice="inv_3", subscription="sub_2")
    a, b = refund("inv_1", "r1", base=1_000), refund("inv_1", "r2", base=500)
    c = reverse("inv_2")
    d = reverse("inv_3", "payment_failed")
    credit(500, of="inv_1", customer="cus_2")
    assert reverse("inv_1")["outcome"] == "refused"
    assert items("reversals.list", invoice="inv_1") == [b, a]
    assert items("reversals.list", subscription="sub_1") == [c, b, a]
    assert items("reversals.list", customer="cus_1") == [d, c, b, a]
    assert items("reversals.list", customer="cus_1", kind=["voided", "payment_failed"]) == [d, c]
    assert items("reversals.list", invoice="inv_1", kind=["voided"]) == []
    assert items("reversals.list", invoice="inv_1", subscription="sub_2") == []
    assert items("reversals.list", customer="cus_1", subscription="sub_2") == [d]
    for owner in ({"customer": "cus_1"}, {"invoice": "inv_1"}, {"subscription": "sub_1"}):
        assert items("reversals.list", **OTHER, **owner) == []


@pytest.mark.parametrize("owner", [{"customer": "cus_1"}, {"subscription": "sub_1"}, {"invoice": "inv_1"}])
def test_pages_of_reversals_follow_each_other_in_both_directions(owner):
    """Of one invoice, because only refunds can be many."""
    grant()
    apply(invoice="inv_1")
    refunds = [refund("inv_1", f"r{number}", base=100) for number in range(7)][::-1]
    pages = pages_forward("reversals.list", **owner, limit=3)
    assert [each for page in pages for each in page] == refunds
    back = pages_backward("reversals.list", **owner, limit=3, before=refunds[-1]["id"])
    assert [each for page in reversed(back) for each in page] == refunds[:-1]


@pytest.mark.parametrize(
    ("task", "fields", "bad"),
    [
        ("billing.list", {}, {"customer"}),
        (
            "billing.list",
            {"subscription": "sub_1", "after": "inv_1", "before": "inv_2", "limit": -1},
            {"before", "limit"},
        ),
        ("billing.list", {"subscription": "", "invoice": "inv_1"}, {"subscription", "invoice"}),
        ("reversals.list", {}, {"customer"}),
        ("reversals.list", {"invoice": "inv_1", "kind": ["credited"], "after": "inv_1"}, {"kind.0", "after"}),
        ("billing.retrieve", {}, {"invoice"}),
    ],
)
def test_every_bad_field_is_named(task, fields, bad):
    """A list needs at least one owner."""
    with pytest.raises(InvalidRequest) as error:
        listed(task, **fields)
    assert {each["field"] for each in error.value.errors} == bad
