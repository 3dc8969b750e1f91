"""A row of each table, made by the tasks. Copies of these rows break the constraints."""

from models.base import read_clock
from models.customers.erasure import begin_erasure
from tasks.monitoring.beat_ticks import store_tick
from tests.intake.deliveries import delivery, run
from tests.support.changes import move
from tests.support.endings import end, end_subscription
from tests.support.holds import reserve
from tests.support.imports import ONE_CYCLE, import_discount
from tests.support.requests import add_codes, apply, create_voucher, record, redeem, voucher_body
from tests.support.reversals import refund, reverse
from tests.support.tasks import task_named
from worker.database import transaction

COFFEE = {
    "stampCard": {"stamps": 2},
    "priceDiscount": {"amount": 350, "currency": "USD"},
    "recurrence": {"type": "once"},
}
BUDGET = {"budget": {"amount": 100_000, "currency": "USD"}}


def add_valid_rows() -> None:
    """Add a row to each table, and the rows with whose keys copies collide."""
    add_vouchers()
    add_discounts()
    add_invoices()
    add_usages()
    add_messages()
    add_erasures()
    for name in ("expiry.sweep", "audit.run"):
        task_named(name)(request={} if name == "expiry.sweep" else {"kind": "everything"})
    store_tick()


def add_vouchers() -> None:
    """Add a voucher of each kind of key, one with a history, and codes."""
    create_voucher()
    create_voucher(requestId="voucher-1", name="By request")
    run("vouchers.create", [delivery(voucher_body(name="By message"), number=1)], "")
    voucher = create_voucher(code="SUMMER", name="Summer")
    reference = {"project": "gigs", "voucher": voucher["id"]}
    add_codes(voucher, {"code": "LAUNCH"})
    task_named("vouchers.generate_codes")(request={**reference, "count": 3, "requestId": "codes-1"})
    task_named("vouchers.update")(request={**reference, "name": "Summer 2027", "requestId": "update-1"})


def add_discounts() -> None:
    """Add discounts that run, were moved, were ended and have returned their place; holds; and an unknown code."""
    voucher = create_voucher(name="Redeemed")["id"]
    redeem(voucher=voucher, subscription="sub_not_billed")
    move(redeem(voucher=voucher, subscription="sub_before")["discount"], "sub_after")
    end(redeem(voucher=voucher, subscription="sub_ended")["discount"])
    redeem(voucher=voucher, subscription="sub_never_billed")
    end_subscription("sub_never_billed")
    held = reserve(voucher=voucher)
    reserve(voucher=voucher)
    task_named("redemptions.confirm")(request={"project": "gigs", "hold": held["id"]})
    redeem(code="UNKNOWN")
    import_discount(voucher, ref="di_begun", subscription="sub_imported", **ONE_CYCLE)


def add_invoices() -> None:
    """Add invoices of a discount with a budget: one that was refunded in part, one voided, and another without any."""
    redeem(voucher=create_voucher(name="Budget", **BUDGET)["id"], subscription="sub_1", currency="USD")
    apply(invoice="inv_1")
    apply(invoice="inv_refunded")
    refund("inv_refunded", "refund-1", base=2_000)
    apply(invoice="inv_voided")
    reverse("inv_voided")
    apply(invoice="inv_of_nobody", subscription="sub_nobody")


def add_usages() -> None:
    """Add a usage, and stamps that complete a card."""
    record(voucher=create_voucher(name="Used")["id"])
    card = create_voucher(name="Coffee", **COFFEE)["id"]
    for _ in range(2):
        record(voucher=card, stamp=1, subscription="sub_coffee", currency="USD")


def add_erasures() -> None:
    """Add an erasure that has ended, and one that runs."""
    redeem(code="UNKNOWN", customer="cus_erased")
    task_named("customers.erase")(request={"project": "gigs", "customer": "cus_erased"})
    with transaction() as session:
        begin_erasure(
            session,
            project="gigs",
            customer="cus_running",
            actor=None,
            request_key="request:erase-1",
            at=read_clock(session),
        )


def add_messages() -> None:
    """Add a message that failed alone once, and one that was given up."""
    unreadable = delivery({}, number=2, is_suspect=True)._replace(kwargs=None)
    for number, attempts in ((2, 1), (3, 3)):
        for _ in range(attempts):
            run("redemptions.redeem", [unreadable._replace(id=f"task-{number}", redelivered=True)], "")
