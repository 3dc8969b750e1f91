"""`reports.discounts`: redemptions and amounts by voucher, month and currency, to the unit."""

from typing import Any

import pytest

from models.base import read_clock
from tasks.wire.errors import InvalidRequest
from tests.support.credits import credit
from tests.support.pages import items, listed, pages_backward, pages_forward
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import FEBRUARY, MARCH, grant, refund, reverse
from tests.support.statements import counted
from tests.support.tampering import tamper
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def report(**fields: Any) -> list[dict[str, Any]]:
    """Return the items of a page of the report."""
    return items("reports.discounts", **fields)


def months(**fields: Any) -> dict[str, dict[str, Any]]:
    """Return the months of the only voucher on a page, by name."""
    (item,) = report(**fields)
    return {
        each["month"]: {name: each[name] for name in ("redeemed", "given", "reversed", "net")}
        for each in item["months"]
    }


def move_to(month: str, *, invoice: str) -> None:
    """Make it so that an invoice was discounted in another month."""
    tamper(f"""
        UPDATE usage_entries SET created_at = '{month}-15' WHERE invoice = '{invoice}';
        UPDATE invoice_discounts SET applied_at = '{month}-15' WHERE invoice = '{invoice}'
    """)  # noqa: S608 - our own texts


def this_month() -> str:
    """Return the month of the database's clock."""
    with transaction() as session:
        return f"{read_clock(session):%Y-%m}"


def test_a_project_without_a_redemption_has_an_empty_report():
    """A voucher that nobody redeemed is not listed."""
    create_voucher()
    assert listed("reports.discounts") == {
        "object": "list",
        "items": [],
        "moreItemsAfter": None,
        "moreItemsBefore": None,
    }


def test_a_voucher_is_listed_with_its_redemptions_before_it_gave_anything():
    """Refused requests are not counted."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], requestId="r1")
    redeem(voucher=voucher["id"], requestId="r1")
    redeem(voucher=voucher["id"])
    redeem(voucher=create_voucher(restrictions={"startsAt": "2999-01-01T00:00:00Z"})["id"])
    (item,) = report()
    assert (item["object"], item["voucher"], item["name"]) == ("discountReport", voucher["id"], "Ten percent")
    assert item["months"] == [{"month": this_month(), "redeemed": 2, "given": {}, "reversed": {}, "net": {}}]


def test_amounts_are_by_currency_and_reversals_beside_them():
    """A refund counts its share, and a void the whole amount."""
    grant()
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH, currency="EUR")
    refund("inv_1", "refund-1", base=4_000)
    assert months() == {
        this_month(): {
            "redeemed": 1,
            "given": {"EUR": 800, "USD": 800},
            "reversed": {"USD": 400},
            "net": {"EUR": 800, "USD": 400},
        }
    }
    reverse("inv_2")
    assert months()[this_month()]["net"] == {"EUR": 0, "USD": 400}


def test_a_credit_is_reversed_until_it_is_reversed_itself():
    """The amount of the credit line comes back if the crediting invoice is voided."""
    grant()
    apply(invoice="inv_1", period=FEBRUARY)
    crediting = credit(4_000, of="inv_1")
    assert months()[this_month()]["reversed"] == {"USD": 400}
    reverse(crediting["invoice"])
    assert months()[this_month()] == {"redeemed": 1, "given": {"USD": 800}, "reversed": {}, "net": {"USD": 800}}


def test_amounts_are_in_the_month_in_which_they_were_booked():
    """The invoice of an earlier month is refunded in this one. `monthFrom` is included, `monthBefore` is not."""
    grant()
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    move_to("2026-01", invoice="inv_1")
    move_to("2026-02", invoice="inv_2")
    reverse("inv_1")
    tamper("UPDATE redemptions SET decided_at = '2026-01-31T23:59:59.999999Z', effective_at = '2026-01-31T23:59:59Z'")
    january = {"redeemed": 1, "given": {"USD": 800}, "reversed": {}, "net": {"USD": 800}}
    february = {"redeemed": 0, "given": {"USD": 800}, "reversed": {}, "net": {"USD": 800}}
    now = {"redeemed": 0, "given": {}, "reversed": {"USD": 800}, "net": {"USD": -800}}
    assert months() == {"2026-01": january, "2026-02": february, this_month(): now}
    assert months(monthFrom="2026-02") == {"2026-02": february, this_month(): now}
    assert months(monthFrom="2026-01", monthBefore="2026-02") == {"2026-01": january}
    assert report(monthBefore="2026-01") == []


def test_a_moved_discount_stays_with_its_voucher_and_a_voucher_is_reported_alone():
    """Other projects are never in a report."""
    first = grant()
    task_named("discounts.move")(
        request={
            "project": "gigs",
            "discount": first["discount"],
            "subscription": "sub_2",
            "actor": "anna",
            "requestId": "move-1",
        }
    )
    apply(invoice="inv_1", subscription="sub_2")
    second = redeem(voucher=create_voucher(project="other")["id"], project="other")
    third = redeem(voucher=create_voucher()["id"])
    assert [each["voucher"] for each in report()] == [third["voucher"], first["voucher"]]
    assert months(voucher=first["voucher"])[this_month()]["given"] == {"USD": 800}
    assert report(voucher=second["voucher"]) == []


def test_pages_are_of_vouchers_newest_first_in_both_directions():
    """Each voucher is listed once, with all of its months."""
    vouchers = [redeem(voucher=create_voucher()["id"])["voucher"] for _ in range(5)][::-1]
    forward = pages_forward("reports.discounts", limit=2)
    assert [[each["voucher"] for each in page] for page in forward] == [vouchers[:2], vouchers[2:4], vouchers[4:]]
    backward = pages_backward("reports.discounts", before=vouchers[4], limit=2)
    assert [[each["voucher"] for each in page] for page in backward] == [vouchers[2:4], vouchers[:2]]
    assert report(limit=0) == []


def test_a_page_is_one_statement_however_many_vouchers_it_has():
    """So all of its amounts are of the same instant."""
    counts = []
    for _ in range(2):
        redeem(voucher=create_voucher()["id"])
        with counted() as statements:
            report()
        counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"monthFrom": "2026-13"}, "monthFrom"),
        ({"monthFrom": "2026-1"}, "monthFrom"),
        ({"monthFrom": "2026-01-01"}, "monthFrom"),
        ({"monthFrom": "0001-01"}, "monthFrom"),
        ({"monthFrom": "٢٠٢٦-01"}, "monthFrom"),
        ({"monthFrom": 202601}, "monthFrom"),
        ({"monthBefore": "3000-01"}, "monthBefore"),
        ({"monthFrom": "2026-02", "monthBefore": "2026-02"}, "monthBefore"),
        ({"voucher": "10OFF"}, "voucher"),
        ({"limit": 201}, "limit"),
        ({"after": "vou_01h455vb4pex5vsknk084sn02q", "before": "vou_01h455vb4pex5vsknk084sn02q"}, "before"),
    ],
)
def test_a_bad_field_is_named(fields, field):
    """Months have four digits, a hyphen and two digits."""
    with pytest.raises(InvalidRequest, match=field):
        report(**fields)
