"""The entries of an item in a usage list: the newest, the pages before them, and sums by currency."""

from typing import Any

import pytest
from sqlalchemy import text

from models.usages.history import ListedCustomers, newest_entries
from tasks.usages.items import REFS_MAX
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import uuid_of
from tests.support.requests import apply, create_voucher, record, redeem
from tests.support.reversals import MARCH, refund, reverse
from tests.support.tasks import task_named
from tests.usages.pages import listed
from worker.database import transaction

# Not audited: the records that SQL adds have no answer.
pytestmark = pytest.mark.usefixtures("tampered_database")

# Two and a half pages of entries, of which many have the same instant.
COUNT = 2 * REFS_MAX + REFS_MAX // 2
ADD_RECORDS = text("""
    INSERT INTO usage_records (project, voucher_id, customer, ref, id, ref_type, usage, stamp, amount_minor, currency,
                               created_at, fingerprint, answer)
    SELECT project, id, :customer, 'past-' || number, gen_random_uuid(), 'manual', 1, 0, 2, 'USD',
           now() - make_interval(secs => number / 3), '', '{}'
    FROM vouchers CROSS JOIN generate_series(1, :count) AS number
""")


def used_often(**fields: Any) -> str:
    """Create a voucher with many records of two customers, and return the id."""
    voucher = create_voucher(**fields)["id"]
    with transaction() as session:
        for customer in ("cus_1", "cus_2"):
            session.execute(ADD_RECORDS, {"customer": customer, "count": COUNT})
    return str(voucher)


def pages(voucher: str, *, customer: str) -> list[list[dict[str, Any]]]:
    """Return all pages of a customer's entries, the newest page first."""
    (item,) = listed(voucher, customer=customer)
    found = [item["usageRefs"]]
    while item["moreRefsBefore"] is not None:
        (item,) = listed(voucher, customer=customer, refsBefore=item["moreRefsBefore"])
        found.append(item["usageRefs"])
    return found


def test_an_item_shows_the_newest_entries_and_the_sums_of_all():
    """Each item of a page, and in order."""
    voucher = used_often()
    last = record(voucher=voucher, usage=5)
    one, two = listed(voucher)
    assert [len(each["usageRefs"]) for each in (one, two)] == [REFS_MAX] * 2
    assert one["usageRefs"][-1]["id"] == last["id"]
    assert one["moreRefsBefore"] == one["usageRefs"][0]["id"]
    assert [each["statistics"]["usage"] for each in (one, two)] == [COUNT + 5, COUNT]
    assert [each["statistics"]["amounts"] for each in (one, two)] == [{"USD": 2 * COUNT}] * 2
    assert one["updatedAt"] == last["createdAt"]
    instants = [each["createdAt"] for each in two["usageRefs"]]
    assert instants == sorted(instants)


def test_the_rest_is_read_in_pages_without_a_gap_or_a_copy():
    """New entries shift no page. The sums on each page are those of all entries."""
    voucher = used_often()
    found = pages(voucher, customer="cus_2")
    assert [len(each) for each in found] == [REFS_MAX, REFS_MAX, REFS_MAX // 2]
    entries = [entry for page in found[::-1] for entry in page]
    assert len({each["ref"] for each in entries}) == COUNT
    assert [each["createdAt"] for each in entries] == sorted(each["createdAt"] for each in entries)
    record(voucher=voucher, customer="cus_2")
    (older,) = listed(voucher, customer="cus_2", refsBefore=found[0][0]["id"])
    assert older["usageRefs"] == found[1]
    assert older["statistics"]["usage"] == COUNT + 1


def test_only_the_newest_entries_leave_the_database():
    """Of each customer. An item with a million entries takes no more memory than another."""
    voucher = used_often()
    customers = ListedCustomers(project="gigs", voucher_id=uuid_of(voucher), customers=["cus_1", "cus_2"], grants=[])
    with transaction() as session:
        entries = newest_entries(session, of=customers, before=None, limit=2)
    assert sorted((each.customer, each.ref) for each in entries) == [
        (customer, f"past-{number}") for customer in ("cus_1", "cus_2") for number in (1, 2)
    ]


def test_exactly_a_page_of_entries_has_no_more_before():
    """Nor has the first entry."""
    voucher = create_voucher()["id"]
    with transaction() as session:
        session.execute(ADD_RECORDS, {"customer": "cus_1", "count": REFS_MAX})
    (item,) = listed(voucher)
    assert (len(item["usageRefs"]), item["moreRefsBefore"]) == (REFS_MAX, None)
    (before,) = listed(voucher, customer="cus_1", refsBefore=item["usageRefs"][0]["id"])
    assert (before["usageRefs"], before["moreRefsBefore"]) == ([], None)


def test_an_entry_of_any_kind_is_a_position():
    """An invoice, a reversal and a record."""
    voucher = create_voucher()["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1")
    apply(invoice="inv_1")
    reverse("inv_1")
    record(voucher=voucher)
    (item,) = listed(voucher)
    refs = item["usageRefs"]
    assert [each["refType"] for each in refs] == ["invoice", "reversal", "manual"]
    for index, ref in enumerate(refs):
        (before,) = listed(voucher, customer="cus_1", refsBefore=ref["id"])
        assert before["usageRefs"] == refs[:index]


def test_an_entry_of_another_customer_is_no_position():
    """It is bad input, as an entry of another voucher is."""
    voucher, other = create_voucher()["id"], create_voucher()["id"]
    record(voucher=voucher)
    for entry in (record(voucher=voucher, customer="cus_2"), record(voucher=other)):
        with pytest.raises(InvalidRequest) as refused:
            listed(voucher, customer="cus_1", refsBefore=entry["id"])
        assert [each["field"] for each in refused.value.errors] == ["refsBefore"]


def test_amounts_of_different_currencies_are_not_added():
    """USD 1.00 and JPY 100 are both 100 minor units. Each entry shows its currency."""
    voucher = create_voucher(priceDiscountPercentage=50)["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1")
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 200}])
    apply(invoice="inv_2", lines=[{"id": "base", "amount": 200}], currency="JPY", period=MARCH)
    record(voucher=voucher, amount=7)
    record(voucher=voucher, amount=5, currency="EUR")
    (item,) = listed(voucher)
    assert item["statistics"]["amounts"] == {"USD": 100, "JPY": 100, "XXX": 7, "EUR": 5}
    assert [(each["amount"], each["currency"]) for each in item["usageRefs"]] == [
        (100, "USD"),
        (100, "JPY"),
        (7, None),
        (5, "EUR"),
    ]
    reverse("inv_1")
    refund("inv_2", "refund-1", base=50)
    (item,) = listed(voucher)
    assert item["statistics"]["amounts"] == {"JPY": 75, "XXX": 7, "EUR": 5}


def test_dintero_shows_the_newest_entries():
    """Their format has no position for the rest."""
    account = "P12345678"
    voucher = create_voucher(project=account)["id"]
    with transaction() as session:
        session.execute(ADD_RECORDS, {"customer": "cus_1", "count": COUNT})
    (usage,) = task_named("dintero.discounts.usages")(request={"aid": account, "did": voucher})
    assert len(usage["usage_refs"]) == REFS_MAX
    assert usage["statistics"]["amount"] == 2 * COUNT
