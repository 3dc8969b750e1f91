"""What a project and its twin do about discounts, vouchers, codes and usage."""

from functools import partial

from tasks.codes.generate import begin_generation
from tasks.codes.messages import GenerateCodes
from tests.foreign.stripe import DOCUMENTED, import_coupon
from tests.foreign.stripe_promotion_codes import promotion
from tests.projects.scenarios.acts import ACTOR, Acts, of_voucher
from tests.support.holds import reserve
from tests.support.imports import ONE_CYCLE, elsewhere
from tests.support.requests import (
    add_codes,
    apply,
    create_voucher,
    invoice,
    redeem,
    redemption,
    usage,
    voucher_body,
)
from tests.support.reversals import ONCE, grant
from tests.support.tasks import task_named
from worker.database import run_in_transaction


def change_discounts() -> Acts:
    """Move one, extend it, and end it."""
    discount = grant(recurrence={"type": "repeating", "durationInMonths": 2})["discount"]
    named = {**ACTOR, "discount": discount}
    return Acts(
        both=[
            ("discounts.move", {**named, "subscription": "sub_2", "requestId": "r1"}),
            ("discounts.extend", {**named, "months": 2, "requestId": "r1"}),
            ("discounts.retrieve", {"project": "gigs", "discount": discount}),
            ("discounts.end", {**named, "requestId": "r1"}),
            ("discounts.end", {**named, "requestId": "r1"}),
            ("discounts.list", {"project": "gigs", "subscription": "sub_2"}),
        ]
    )


def import_discounts() -> Acts:
    """Import one twice, another that the twin may have imported, and one of a coupon that counts it already."""
    voucher = create_voucher(budget={"amount": 9_000, "currency": "USD"})["id"]
    first = elsewhere(voucher=voucher, **ONE_CYCLE, taken={"USD": 500})
    second = {**first, "ref": "di_2", "subscription": "sub_2"}
    third = elsewhere(voucher=import_coupon(times_redeemed=2)["id"], ref="di_3", subscription="sub_3")
    both = [("discounts.import", first), ("discounts.import", first)]
    return Acts(
        of_twin=[("discounts.import", second)],
        both=[*both, ("discounts.import", second), ("discounts.import", third), ("billing.apply", invoice())],
    )


def import_a_promotion_code() -> Acts:
    """Import a promotion code whose coupon only the twin has imported."""
    promoted = {"project": "gigs", "promotion_code": promotion()}
    coupon = {"project": "gigs", "coupon": {**DOCUMENTED, "id": promotion()["promotion"]["coupon"]}}
    return Acts(of_twin=[("stripe.coupons.import", coupon)], both=[("stripe.promotion_codes.import", promoted)])


def move_a_discount_beside_holds() -> Acts:
    """Move a discount to a subscription for which the twin holds the place."""
    discount = grant()
    place = redemption(voucher=discount["voucher"], subscription="sub_2")
    moved = {**ACTOR, "discount": discount["discount"], "subscription": "sub_2"}
    return Acts(of_twin=[("redemptions.reserve", place)], both=[("discounts.move", moved)])


def end_a_subscription() -> Acts:
    """End a subscription twice. The place of its code returns once, and is redeemed again."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    redeem(code="VIP", subscription="sub_1")
    named = {"project": "gigs", "subscription": "sub_1"}
    return Acts(
        of_twin=[
            ("vouchers.create", voucher_body(code="TWIN")),
            ("redemptions.redeem", redemption(code="TWIN", subscription="sub_1")),
        ],
        both=[
            ("subscriptions.end", {**named, "requestId": "r1"}),
            ("subscriptions.end", named),
            ("vouchers.retrieve", of_voucher(voucher)),
            ("codes.list", of_voucher(voucher)),
            ("redemptions.redeem", redemption(code="VIP")),
        ],
    )


def create_vouchers() -> Acts:
    """Create a voucher twice under a request id, with the code of the twin's."""
    body = voucher_body(requestId="r1", code="SUMMER")
    return Acts(both=[("vouchers.create", body), ("vouchers.create", body), ("vouchers.list", {"project": "gigs"})])


def change_a_voucher() -> Acts:
    """Change the code and the budget of a voucher, and retire it twice, and a code that has lost its text."""
    voucher = create_voucher(code="SUMMER", budget={"amount": 5_000, "currency": "USD"})
    retired = create_voucher()
    (code,) = add_codes(retired, {"code": "VIP"})
    task_named("vouchers.retire")(request=of_voucher(retired))
    create_voucher(code="VIP")
    redeem(code="SUMMER", subscription="sub_1", currency="USD", startsOn="2027-01-01")
    apply(invoice="inv_1")
    named = of_voucher(voucher)
    currencies = {"amount": 5_000, "currency": "USD", "currencyOptions": {"EUR": 4_000}}
    fewer = {**of_voucher(create_voucher(budget=currencies)), "budget": {"amount": 5_000, "currency": "USD"}}
    return Acts(
        both=[
            ("vouchers.update", fewer),
            ("vouchers.update", {**named, "code": "WINTER", "requestId": "r1"}),
            ("vouchers.update", {**named, "code": "winter", "budget": {"amount": 900, "currency": "USD"}}),
            ("redemptions.redeem", redemption(code="WINTER")),
            ("vouchers.retire", named),
            ("vouchers.retire", named),
            ("codes.retire", {"project": "gigs", "code": code["id"]}),
            ("vouchers.history", named),
            ("vouchers.retrieve", named),
        ]
    )


def change_codes() -> Acts:
    """Add the same texts, generate some, and retire one that both have."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP"})
    named, generated = of_voucher(voucher), {"prefix": "A-", "length": 12, "count": 3, "requestId": "r1"}
    return Acts(
        both=[
            ("vouchers.add_codes", {**named, "codes": [{"code": "NEW"}], "requestId": "r1"}),
            ("codes.retire", {"project": "gigs", "code": code["id"]}),
            ("redemptions.redeem", redemption(code="VIP")),
            ("vouchers.generate_codes", {**named, **generated}),
        ]
    )


def go_on_with_a_generation() -> Acts:
    """Generate codes under the id of a generation that was interrupted in both."""
    body = {**of_voucher(create_voucher()), "prefix": "A-", "length": 12, "count": 3, "requestId": "r1"}
    request = GenerateCodes.model_validate(body)
    run_in_transaction(partial(begin_generation, request=request, delivery=None))
    retrieve = ("generations.retrieve", {"project": "gigs", "requestId": "r1"})
    return Acts(both=[retrieve, ("vouchers.generate_codes", body), retrieve])


def record_usages() -> Acts:
    """Record stamps under the references of the twin, until a card is complete. The twin has another customer too."""
    voucher = create_voucher(stampCard={"stamps": 2}, **ONCE)["id"]
    stamps = [usage(voucher=voucher, stamp=1, ref=f"receipt-{number}") for number in range(3)]
    return Acts(
        of_twin=[("usages.record", usage(voucher=voucher, stamp=1, customer="cus_twin"))],
        both=[
            *(("usages.record", each) for each in (*stamps, stamps[0])),
            ("usages.list", {"project": "gigs", "voucher": voucher}),
        ],
    )


def erase_a_customer() -> Acts:
    """Erase a customer, of whom both have discounts, a hold, a card and an invoice."""
    card = create_voucher(stampCard={"stamps": 2}, **ONCE)["id"]
    voucher = create_voucher(code="SUMMER")["id"]
    redeem(code="SUMMER", customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    reserve(voucher=voucher, customer="cus_1", subscription="sub_2")
    for _ in range(2):
        task_named("usages.record")(request=usage(voucher=card, stamp=1))
    apply(invoice="inv_1")
    erased = {"project": "gigs", "customer": "cus_1"}
    asked = {**erased, "requestId": "erase-1"}
    return Acts(both=[("customers.erase", each) for each in (asked, asked, erased)])


def repeat_a_usage_of_an_erased_customer() -> Acts:
    """Record a usage again that both have recorded before they erased its customer."""
    recorded = usage(voucher=create_voucher()["id"])
    task_named("usages.record")(request=recorded)
    task_named("customers.erase")(request={"project": "gigs", "customer": recorded["customer"]})
    return Acts(both=[("usages.record", recorded)])


def look_at_everything() -> Acts:
    """Read by every list, report and preview."""
    voucher = create_voucher(code="SUMMER")
    redeem(code="SUMMER", customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    apply(invoice="inv_1")
    owner = {"project": "gigs", "subscription": "sub_1"}
    plan = {"interval": "month", "anchor": "2027-03-01", "currency": "USD", "lines": [{"id": "base", "amount": 8000}]}
    wanted = {"project": "gigs", "code": "SUMMER", "customer": "cus_1", "subscription": "sub_1"}
    return Acts(
        both=[
            ("redemptions.list", owner),
            ("redemptions.validate", wanted),
            ("billing.preview", {**owner, "customer": "cus_1", "plan": plan, "periods": 2}),
            ("vouchers.forecast", of_voucher(voucher)),
            ("vouchers.history", of_voucher(voucher)),
            ("reports.discounts", {"project": "gigs", "voucher": voucher["id"]}),
            ("support.explain", owner),
        ]
    )


SCENARIOS = [
    go_on_with_a_generation,
    change_discounts,
    import_discounts,
    import_a_promotion_code,
    move_a_discount_beside_holds,
    end_a_subscription,
    create_vouchers,
    change_a_voucher,
    change_codes,
    record_usages,
    erase_a_customer,
    repeat_a_usage_of_an_erased_customer,
    look_at_everything,
]
