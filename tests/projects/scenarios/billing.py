"""What a project and its twin do about invoices: discount, void, refund and credit."""

from tests.projects.scenarios.acts import Acts, of_inv_1, shown, window_that_is_over
from tests.support.credits import BALANCE, credit_line
from tests.support.requests import apply, invoice, redemption
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, grant, reverse


def discount_invoices() -> Acts:
    """Use up an allowance and a budget, and send an invoice again, as it was and with another body."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"}, budget={"amount": 1_500, "currency": "USD"})
    half = [{"id": "base", "amount": 600}]
    invoices = [invoice(invoice=f"inv_{number}", lines=half) for number in range(1, 4)]
    later = invoice(invoice="inv_9", period=MARCH)
    changed = {**invoices[0], "customer": "cus_other"}
    listed = {"project": "gigs", "subscription": "sub_1"}
    return Acts(
        both=[
            *(("billing.apply", each) for each in (*invoices, invoices[0], changed, later)),
            *shown(),
            ("billing.list", listed),
        ]
    )


def discount_invoices_by_a_balance() -> Acts:
    """Use up a balance."""
    grant(**BALANCE)
    invoices = [invoice(invoice=f"inv_{number}", lines=[{"id": "base", "amount": 2_000}]) for number in range(1, 4)]
    return Acts(both=[*(("billing.apply", each) for each in invoices), *shown()])


def discount_an_invoice_that_only_the_twin_has() -> Acts:
    """Send an invoice whose id the twin knows with another body, and has voided."""
    grant()
    own = invoice(invoice="inv_1", lines=[{"id": "base", "amount": 100}])
    return Acts(
        of_twin=[("billing.apply", own), ("billing.reverse", of_inv_1("voided"))],
        both=[("billing.apply", invoice(invoice="inv_1")), ("billing.apply", invoice(invoice="inv_2")), *shown()],
    )


def discount_an_invoice_between_cycles() -> Acts:
    """Send an invoice that begins inside a cycle which only the twin has discounted."""
    grant(recurrence={"type": "repeating", "durationInMonths": 6})
    for number, period in enumerate((FEBRUARY, APRIL)):
        apply(invoice=f"inv_{number}", period=period)
    inside = invoice(invoice="inv_8", period={"start": "2027-03-10", "end": "2027-03-20"})
    march = invoice(invoice="inv_9", period=MARCH)
    return Acts(of_twin=[("billing.apply", march)], both=[("billing.apply", inside), *shown()])


def void_an_invoice() -> Acts:
    """Void an invoice three times. The budget and the cycle are given back once."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"}, budget={"amount": 5_000, "currency": "USD"})
    half = [{"id": "base", "amount": 600}]
    for number in (1, 2):
        apply(invoice=f"inv_{number}", lines=half)
    apply(invoice="inv_3", period=MARCH, lines=half)
    return Acts(
        of_twin=[("billing.apply", invoice(invoice="inv_5", period=APRIL))],
        both=[
            ("billing.reverse", of_inv_1("voided")),
            ("billing.reverse", of_inv_1("payment_failed")),
            ("billing.reverse", {**of_inv_1("voided"), "requestId": "again"}),
            ("billing.retrieve", {"project": "gigs", "invoice": "inv_1"}),
            ("billing.apply", invoice(invoice="inv_4", lines=half)),
            ("reversals.list", {"project": "gigs", "invoice": "inv_1"}),
            *shown(),
        ],
    )


def void_an_invoice_again() -> Acts:
    """Void an invoice that both have voided already."""
    grant(**ONCE)
    apply(invoice="inv_1")
    reverse("inv_1")
    return Acts(both=[("billing.reverse", of_inv_1("voided")), ("billing.reverse", of_inv_1("charged_back"))])


def void_an_invoice_that_the_twin_has_voided() -> Acts:
    """Send an invoice again, and void it, whose namesake the twin has voided."""
    grant(**ONCE)
    apply(invoice="inv_1")
    return Acts(
        of_twin=[("billing.reverse", of_inv_1("voided"))],
        both=[
            ("billing.retrieve", {"project": "gigs", "invoice": "inv_1"}),
            ("billing.apply", invoice(invoice="inv_1")),
            ("billing.apply", invoice(invoice="inv_2")),
            ("billing.reverse", {**of_inv_1("voided"), "requestId": "mine"}),
            *shown(),
        ],
    )


def void_beside_a_running_discount_of_the_twin() -> Acts:
    """Void the invoice of a discount that can run again here, and not on the twin's subscription."""
    window_that_is_over()
    granted = grant(**ONCE)
    apply(invoice="inv_1")
    again = redemption(voucher=granted["voucher"], subscription="sub_1")
    return Acts(of_twin=[("redemptions.redeem", again)], both=[("billing.reverse", of_inv_1("voided")), *shown()])


def refund_an_invoice_in_full() -> Acts:
    """Refund an invoice that the twin has too, so that the customer's place returns."""
    granted = grant(restrictions={"maximumRedemptionsPerCustomer": 1})
    apply(invoice="inv_1")
    lines = [{"id": "base", "amount": 8_000}]
    again = redemption(voucher=granted["voucher"], customer="cus_1")
    return Acts(
        both=[
            ("billing.reverse", {**of_inv_1("refunded"), "requestId": "r1", "lines": lines}),
            ("redemptions.redeem", again),
        ]
    )


def refund_an_invoice() -> Acts:
    """Refund an invoice in two parts, so that its balance runs again."""
    grant(**BALANCE)
    apply(invoice="inv_1")
    parts = [[{"id": "base", "amount": amount}] for amount in (2_000, 6_000)]
    refunds = [{**of_inv_1("refunded"), "requestId": f"r{number}", "lines": each} for number, each in enumerate(parts)]
    return Acts(both=[*(("billing.reverse", each) for each in refunds), *shown()])


def credit_an_invoice() -> Acts:
    """Credit an invoice, so that its balance runs again, and void the crediting invoice."""
    grant(**BALANCE)
    apply(invoice="inv_1")
    lines = [credit_line(4_000, of="inv_1"), {"id": "new", "amount": 1_000}]
    return Acts(
        both=[
            ("billing.apply", invoice(invoice="inv_2", lines=lines)),
            ("billing.apply", invoice(invoice="inv_3", lines=[{"id": "base", "amount": 1_000}])),
            ("billing.retrieve", {"project": "gigs", "invoice": "inv_1"}),
            ("billing.reverse", {**of_inv_1("voided"), "invoice": "inv_2"}),
            ("billing.retrieve", {"project": "gigs", "invoice": "inv_1"}),
            *shown(),
        ]
    )


def credit_in_a_cycle() -> Acts:
    """Credit a part of an allowance, which is then taken again in the cycle."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"})
    apply(invoice="inv_1")
    return Acts(
        both=[
            ("billing.apply", invoice(invoice="inv_2", lines=[credit_line(4_000, of="inv_1")])),
            ("billing.apply", invoice(invoice="inv_3")),
            *shown(),
        ]
    )


def credit_beside_a_running_discount_of_the_twin() -> Acts:
    """Refill a balance that can run again here, and not on the twin's subscription."""
    granted = grant(**BALANCE)
    apply(invoice="inv_1")
    again = redemption(voucher=granted["voucher"], subscription="sub_1", currency="USD")
    crediting = invoice(invoice="inv_2", lines=[credit_line(4_000, of="inv_1")])
    return Acts(of_twin=[("redemptions.redeem", again)], both=[("billing.apply", crediting), *shown()])


SCENARIOS = [
    discount_invoices,
    discount_invoices_by_a_balance,
    discount_an_invoice_that_only_the_twin_has,
    discount_an_invoice_between_cycles,
    void_an_invoice,
    void_an_invoice_again,
    void_an_invoice_that_the_twin_has_voided,
    void_beside_a_running_discount_of_the_twin,
    refund_an_invoice,
    refund_an_invoice_in_full,
    credit_an_invoice,
    credit_in_a_cycle,
    credit_beside_a_running_discount_of_the_twin,
]
