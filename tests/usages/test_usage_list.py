"""The usage of a voucher, customer by customer: its entries, and statistics that are their sums."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.database import empty_database, forget_other_tests
from tests.support.requests import apply, create_voucher, invoice, record, redeem, redemption, usage
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import engine, transaction

pytestmark = pytest.mark.usefixtures("database")

# Two looks for a name, then those for four redemptions, four discounts and their entries: 30 where it was measured.
# A condition that no index serves reads more than twice that of a voucher with 3,000 redemptions.
BLOCKS_PER_CUSTOMER_MAX = 40
UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def listed(voucher: str, **fields) -> list[dict]:
    """This function will return the items of a page."""
    answer = task_named("usages.list")(request={"project": "gigs", "voucher": voucher, **fields})
    assert set(answer) == {"object", "items"}
    assert answer["object"] == "list"
    items: list[dict] = answer["items"]
    return items


def test_a_voucher_that_nobody_used_has_no_items():
    """Nor has one of which stamps were refused only."""
    voucher = create_voucher(stampCard={"stamps": 3})["id"]
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher})
    assert record(voucher=voucher, stamp=1)["outcome"] == "refused"
    assert listed(voucher) == []
    assert listed(voucher, customer="cus_1") == []


def test_an_item_has_every_field():
    """A discount, an invoice and two records of one customer."""
    voucher = create_voucher(priceDiscount={"amount": 500, "currency": "USD"})["id"]
    granted = redeem(voucher=voucher, customer="cus_1", subscription="sub_1", currency="USD")
    applied = apply(invoice="inv_1")
    first = record(voucher=voucher, ref="receipt-1", refType="receipt", usage=2, amount=30, createdBy="till-7")
    second = record(voucher=voucher, ref="receipt-2", usage=1)
    assert listed(voucher) == [
        {
            "id": granted["discount"].replace("dis_", "use_"),
            "refId": granted["discount"],
            "discountId": voucher,
            "customerId": "cus_1",
            "createdAt": granted["decidedAt"],
            "updatedAt": second["createdAt"],
            "createdBy": None,
            "usageRefs": [
                {
                    "ref": "inv_1",
                    "refType": "invoice",
                    "usage": 1,
                    "stamp": 0,
                    "amount": 500,
                    "createdAt": applied["appliedAt"],
                    "createdBy": None,
                },
                {
                    "ref": "receipt-1",
                    "refType": "receipt",
                    "usage": 2,
                    "stamp": 0,
                    "amount": 30,
                    "createdAt": first["createdAt"],
                    "createdBy": "till-7",
                },
                {
                    "ref": "receipt-2",
                    "refType": "manual",
                    "usage": 1,
                    "stamp": 0,
                    "amount": 0,
                    "createdAt": second["createdAt"],
                    "createdBy": None,
                },
            ],
            "statistics": {
                "stamp": 0,
                "used": 4,
                "usage": 4,
                "amount": 530,
                "debitBalance": None,
                "currentStamp": 0,
            },
        }
    ]


def test_an_item_keeps_the_identity_of_what_came_first():
    """A stamp card's is that of the first stamp, also after the card is complete."""
    voucher = create_voucher(stampCard={"stamps": 3})["id"]
    first = record(voucher=voucher, stamp=2, createdBy="till-7")
    (before,) = listed(voucher)
    completed = record(voucher=voucher, stamp=2)
    (after,) = listed(voucher)
    assert before["id"] == after["id"] == first["id"]
    assert (before["refId"], after["refId"]) == (None, completed["redemption"]["discount"])
    assert before["createdBy"] == after["createdBy"] == "till-7"
    assert before["createdAt"] == after["createdAt"] == first["createdAt"]
    assert (after["statistics"]["stamp"], after["statistics"]["currentStamp"]) == (4, 1)


def test_a_balance_shows_what_is_left_of_it():
    """In the voucher's own currency, over all that the customer was granted."""
    price = {"amount": 1000, "currency": "USD", "currencyOptions": {"EUR": 500}}
    voucher = create_voucher(priceDiscount=price, carryOver=True)["id"]
    for number in (1, 2):
        redeem(voucher=voucher, customer="cus_1", subscription=f"sub_{number}", currency="USD")
    record(voucher=voucher, customer="cus_2", usage=1)
    apply(lines=[{"id": "base", "amount": 300}])
    apply(lines=[{"id": "base", "amount": 100}], currency="EUR", subscription="sub_2")
    one, two = listed(voucher)
    assert (one["statistics"]["debitBalance"], one["statistics"]["amount"]) == (700 + 800, 400)
    assert two["statistics"]["debitBalance"] == 0


def test_a_customer_can_be_asked_for_alone():
    """One item or none."""
    voucher, other = create_voucher()["id"], create_voucher()["id"]
    for number in range(3):
        record(voucher=voucher, customer=f"cus_{number}")
    redeem(voucher=voucher, customer="cus_granted")
    record(voucher=other, customer="cus_other")
    for customer in ("cus_1", "cus_granted"):
        assert [item["customerId"] for item in listed(voucher, customer=customer)] == [customer]
    assert listed(voucher, customer="cus_other") == []
    (item,) = listed(voucher, customer="cus_1")
    assert listed(voucher, customer="cus_1", startingAfter=item["id"]) == []


def test_pages_follow_each_other_without_a_gap_or_a_copy():
    """Of any size; while customers are added, those that were there come exactly once."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher, customer=f"cus_{number // 2:02}") for number in range(30)]
    task_named("redemptions.redeem_many")(request={"requests": requests})
    for number in range(10, 25):
        record(voucher=voucher, customer=f"cus_{number:02}")
    everybody = [f"cus_{number:02}" for number in range(25)]
    assert [item["customerId"] for item in listed(voucher)] == everybody[:10]
    for limit in (1, 7, 25, 1000):
        assert [item["customerId"] for item in pages(voucher, limit=limit)] == everybody
    found = pages(voucher, limit=4, between=lambda number: record(voucher=voucher, customer=f"cus_{number * 3:02}-new"))
    customers = [item["customerId"] for item in found]
    assert [each for each in customers if not each.endswith("new")] == everybody
    assert len(set(customers)) == len(customers)


def pages(voucher: str, *, limit: int, between=lambda _: None) -> list[dict]:
    """This function will return the items of all pages, doing something else between one and the next."""
    found: list[dict] = []
    for number in count():
        after = {"startingAfter": found[-1]["id"]} if found else {}
        page = listed(voucher, limit=limit, **after)
        found += page
        if len(page) < limit:
            return found
        between(number)
    raise AssertionError


def test_any_discount_or_record_of_a_customer_is_his_position():
    """Not only the oldest; the UUID that it encodes is accepted too."""
    voucher = create_voucher()["id"]
    record(voucher=voucher, customer="cus_1")
    later = record(voucher=voucher, customer="cus_1")
    record(voucher=voucher, customer="cus_2")
    assert [item["customerId"] for item in listed(voucher, startingAfter=later["id"])] == ["cus_2"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        *(({"limit": value}, "limit") for value in (0, 1001, -1, 1.5, "10", True, None)),
        ({"startingAfter": "use_"}, "startingAfter"),
        ({"startingAfter": UNKNOWN}, "startingAfter"),
        ({"startingAfter": "use_01m802aq92e78rshs8mnssdx40"}, "startingAfter"),
        ({"customer": ""}, "customer"),
        ({"voucher": "vou_"}, "voucher"),
        ({"bogus": 1}, "bogus"),
    ],
)
def test_bad_input_names_the_field(fields, bad):
    """A position that is none of the list's too."""
    with pytest.raises(InvalidRequest) as refused:
        listed(**{"voucher": create_voucher()["id"], **fields})
    assert [error["field"] for error in refused.value.errors] == [bad]


def test_nothing_of_another_project_or_voucher_is_visible():
    """An unknown voucher is not found; a position of another list is none."""
    voucher, other = create_voucher()["id"], create_voucher()["id"]
    foreign = record(voucher=other)
    record(project="elsewhere", voucher=create_voucher(project="elsewhere")["id"])
    assert listed(voucher) == []
    with pytest.raises(InvalidRequest):
        listed(voucher, startingAfter=foreign["id"])
    for request in ({"voucher": UNKNOWN}, {"voucher": voucher, "project": "elsewhere"}):
        with pytest.raises(NotFound):
            listed(**request)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["redeem", "apply", "record", "stamp", "sweep", "again"]),
        st.integers(1, 3),
        st.integers(1, 900),
    ),
    max_size=14,
)
SUMS = """
    SELECT coalesce(sum(usage), 0)::bigint, coalesce(sum(stamp), 0)::bigint, coalesce(sum(amount), 0)::bigint, count(*)
    FROM (
        SELECT r.usage, r.stamp, r.amount_minor AS amount FROM usage_records r
        WHERE r.customer = :customer AND r.reason IS NULL AND r.voucher_id = :voucher
        UNION ALL
        SELECT 1, 0, u.amount_minor
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE d.customer = :customer AND d.voucher_id = :voucher
    ) entries
"""


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ACTIONS, st.booleans())
def test_statistics_are_the_sums_of_the_entries_whatever_happened(actions, has_card):
    """Compared with the rows and with the references of each item."""
    empty_database()
    price = {"priceDiscount": {"amount": 1000, "currency": "USD"}, "carryOver": True}
    voucher = create_voucher(**price, stampCard={"stamps": 4} if has_card else None)["id"]
    last: dict = {}
    for action, number, amount in actions:
        customer, subscription = f"cus_{number}", f"sub_{number}"
        fields = {"voucher": voucher, "customer": customer, "subscription": subscription, "currency": "USD"}
        match action:
            case "redeem":
                redeem(**fields)
            case "apply":
                lines = [{"id": "base", "amount": amount}]
                task_named("billing.apply")(request=invoice(subscription=subscription, customer=customer, lines=lines))
            case "record":
                last = usage(**fields, usage=number, amount=amount)
                task_named("usages.record")(request=last)
            case "stamp" if has_card:
                last = usage(**fields, stamp=number)
                task_named("usages.record")(request=last)
            case "again" if last:
                task_named("usages.record")(request=last)
            case "sweep":
                task_named("expiry.sweep")(request={})
    with transaction() as session:
        identity = session.execute(text("SELECT id FROM vouchers")).scalar_one()
        for item in listed(voucher):
            parameters = {"customer": item["customerId"], "voucher": identity}
            statistics, refs = item["statistics"], item["usageRefs"]
            usage_, stamp, amount, entries = session.execute(text(SUMS), parameters).one()
            assert (statistics["usage"], statistics["stamp"], statistics["amount"]) == (usage_, stamp, amount)
            assert statistics["used"] == statistics["usage"] == sum(ref["usage"] for ref in refs)
            assert (sum(ref["stamp"] for ref in refs), sum(ref["amount"] for ref in refs)) == (stamp, amount)
            assert len(refs) == entries
            granted = session.execute(
                text("SELECT count(*) FROM discounts WHERE customer = :customer"), parameters
            ).scalar_one()
            billed = sum(ref["amount"] for ref in refs if ref["refType"] == "invoice")
            assert statistics["debitBalance"] == 1000 * granted - billed
            assert statistics["currentStamp"] == (stamp - 4 * granted if has_card else 0)


def test_a_page_takes_as_many_statements_as_any_other():
    """A thousand customers or none."""
    voucher = create_voucher()["id"]
    task_named("redemptions.redeem_many")(request={"requests": [redemption(voucher=voucher) for _ in range(1000)]})
    with counted() as many:
        assert len(listed(voucher, limit=1000)) == 1000
    with counted() as one:
        listed(voucher, limit=1)
    with counted() as none:
        listed(create_voucher()["id"])
    creation = len(none) - len(one)
    assert many == one == none[creation:]
    assert len(one) < 10


@pytest.mark.parametrize("is_known", [False, True])
def test_a_page_is_index_work_only_and_flat(is_known):
    """Whatever the statistics say; the last page reads as many blocks as the first, and long histories do not count."""
    forget_other_tests()
    voucher = create_voucher()["id"]
    for part in range(3):
        requests = [redemption(voucher=voucher, customer=f"cus_{part}-{number // 4:04}") for number in range(1000)]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    if is_known:
        with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    everybody = listed(voucher, limit=1000)
    assert len(everybody) == 750
    with explained() as plans:
        listed(voucher, limit=20, startingAfter=everybody[300]["id"])
        listed(voucher, customer="cus_1-0100")
        record(voucher=voucher)
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
    with read_blocks() as first:
        listed(voucher, limit=20)
    with read_blocks() as last:
        assert len(listed(voucher, limit=20, startingAfter=everybody[-21]["id"])) == 20
    assert sum(first) < 20 * BLOCKS_PER_CUSTOMER_MAX
    assert sum(last) < 1.2 * sum(first) + 20


@contextmanager
def read_blocks() -> Iterator[list[int]]:
    """This context will note how many blocks each statement reads, from the cache or not."""
    blocks: list[int] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            plan = cursor.fetchone()[0][0]["Plan"]
            blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield blocks
    finally:
        event.remove(engine(), "before_cursor_execute", note)
