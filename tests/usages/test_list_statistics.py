"""Compare the statistics of a usage list with the sums of the entries, after random histories."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.support.database_between_tests import empty_database
from tests.support.requests import create_voucher, invoice, redeem, usage
from tests.support.tasks import task_named
from tests.usages.pages import listed
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

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


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ACTIONS, st.booleans())
def test_statistics_are_the_sums_of_the_entries_whatever_happened(actions, has_card):
    """They are compared with the rows and with the references of each item, so the test is long."""
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
            assert (statistics["usage"], statistics["stamp"]) == (usage_, stamp)
            assert statistics["amounts"] == ({"USD": amount} if amount else {})
            assert statistics["used"] == statistics["usage"] == sum(ref["usage"] for ref in refs)
            assert (sum(ref["stamp"] for ref in refs), sum(ref["amount"] for ref in refs)) == (stamp, amount)
            assert len(refs) == entries
            granted = session.execute(
                text("SELECT count(*) FROM discounts WHERE customer = :customer"), parameters
            ).scalar_one()
            billed = sum(ref["amount"] for ref in refs if ref["refType"] == "invoice")
            assert statistics["debitBalance"] == 1000 * granted - billed
            assert statistics["currentStamp"] == (stamp - 4 * granted if has_card else 0)
