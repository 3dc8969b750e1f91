"""The fingerprints of stored requests: a changed fingerprint makes every repetition of an old request a conflict."""

from typing import Any

from tasks.codes.messages import AddCodes, GenerateCodes
from tasks.invoices.messages import Apply, ReverseInvoice
from tasks.redemptions.messages import Redeem
from tasks.vouchers.messages import CreateVoucher
from tests.support.requests import invoice, redemption

PINNED = {
    "voucher": "9ea035eb1232549fb184eba38aebf6eb6973c24f7c00bd038bb5cb698ba6c292",
    "redemption": "f55470d4375e4e4e2ebc5f436a1d620047ca6403dc03b4b2f086e81230f74e67",
    "invoice": "9614159fb5b4a79311565ba188896fbf791098919b7c48145498ffd060525855",
    "refund": "8e1ec7fcfd3933f11b33908d093049aa3e1767a38c326c5fd5bdfdcf1a528f75",
    "failed payment": "3ae078f6e93d08790030273190a113ae6befb43ec0b11c932d1f60ce65677ee3",
}
# While percentages were stored in basis points.
PINNED_PERCENTAGES = {
    10: "3d8d8899a07a62a2eafbb652dec4b3435243725ffe8722ce634d75b3c03fae2b",
    12.5: "3f0dcc9a83455f3efbaa61d3577ad18402cfaf25cdb49194f1d008d7b44dc19b",
    30.12: "0c140e23e58f7961e72c22c833b355f85e9acfc26901eeab59ab3ff9c22e9056",
    100: "9da9a26490859cf870f6cca3ade99d0648a0b1cb9aea9fd47cc2e8d13920b5bb",
}

DISCOUNT = {"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899, "JPY": 1500}}
VOUCHER: dict[str, Any] = {
    "project": "gigs",
    "requestId": "voucher-1",
    "name": "Summer",
    "code": "SUMMER",
    "priceDiscount": DISCOUNT,
    "recurrence": {"type": "repeating", "durationInMonths": 3},
    "restrictions": {
        "startsAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2026-04-14T19:38:34+02:00",
        "maximumRedemptions": 100,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a"],
        "minimumSubtotal": {"amount": 5000, "currency": "USD"},
    },
    "metadata": {"campaign": "spring", "rank": 1},
    "carryOver": True,
    "stampCard": {"stamps": 10, "expireDays": 90},
    "maximumDiscount": DISCOUNT,
    "budget": DISCOUNT,
}


def test_a_fingerprint_stays_what_it_was_when_it_was_stored():
    """The requests have every field, so that the test notices a field that moves or is renamed."""
    created = CreateVoucher.model_validate(VOUCHER)
    full = Redeem.model_validate(
        redemption(
            requestId="order-1",
            code="SUMMER",
            customer="cus_1",
            subscription="sub_1",
            products=["prod_a"],
            currency="USD",
            subtotal=12000,
            startsOn="2026-03-01",
            requestedAt="2026-03-01T10:00:00+01:00",
        )
    )
    line = {"id": "base", "amount": 4300, "product": "prod_a", "discountable": False}
    billed = Apply.model_validate(invoice(invoice="inv_1", trial=True, lines=[line]))
    reversal = {"project": "gigs", "invoice": "inv_1"}
    refunded = {"kind": "refunded", "requestId": "refund-1", "lines": [{"id": "base", "amount": 2150}]}
    refund = ReverseInvoice.model_validate({**reversal, **refunded})
    failed = ReverseInvoice.model_validate({**reversal, "kind": "payment_failed"})
    requests = dict(zip(PINNED, (created, full, billed, refund, failed), strict=True))
    assert {name: each.fingerprint().hex() for name, each in requests.items()} == PINNED


def test_each_newer_field_makes_another_body_and_its_default_does_not():
    """So the fingerprints that were stored before there was the field stay what they were."""
    restrictions = dict(VOUCHER["restrictions"])
    for name, default, value in (("excludedProducts", None, ["prod_x"]), ("firstPurchaseOnly", False, True)):
        without, by_default, with_it = (
            CreateVoucher.model_validate({**VOUCHER, "restrictions": {**restrictions, **more}}).fingerprint()
            for more in ({}, {name: default}, {name: value})
        )
        assert without == by_default != with_it
    body = redemption(requestId="order-1", code="SUMMER", customer="c", subscription="s")
    without, by_default, with_it = (
        Redeem.model_validate({**body, **more}).fingerprint()
        for more in ({}, {"isFirstPurchase": False}, {"isFirstPurchase": True})
    )
    assert without == by_default != with_it


def test_a_new_code_without_the_newer_limit_is_the_body_it_was():
    """Null is its default."""
    body = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40"}
    name = "maximumRedemptionsPerCustomer"
    for message, make in (
        (AddCodes, lambda more: {**body, "codes": [{"code": "VIP", **more}]}),
        (GenerateCodes, lambda more: {**body, "count": 3, **more}),
    ):
        without, by_default, with_it = (
            message.model_validate(make(more)).fingerprint() for more in ({}, {name: None}, {name: 1})
        )
        assert without == by_default != with_it


def fingerprint_of(percentage: float) -> str:
    """Return the fingerprint of a voucher of that percentage."""
    body = {name: VOUCHER[name] for name in ("project", "requestId", "name")}
    terms = {"priceDiscountPercentage": percentage, "recurrence": {"type": "forever"}}
    return CreateVoucher.model_validate({**body, **terms}).fingerprint().hex()


def test_the_fingerprint_of_a_percentage_stays_what_it_was():
    """A percentage with more decimals has another fingerprint than its neighbours and than a hundred times as much."""
    assert {percentage: fingerprint_of(percentage) for percentage in PINNED_PERCENTAGES} == PINNED_PERCENTAGES
    others = (0.1, 10.0001, 10.001, 10.01, 12.4999, 30.1201, 0.3012, 99.9999)
    assert len({*PINNED_PERCENTAGES.values(), *map(fingerprint_of, others)}) == len(PINNED_PERCENTAGES) + len(others)


def test_the_same_meaning_has_the_same_fingerprint():
    """Spelling, defaults and the order of keys do not count; every value does."""
    body = redemption(requestId="order-1", code="SUMMER", customer="c", subscription="s", currency="usd")
    same = {"request_id": body.pop("requestId"), **dict(reversed(body.items())), "currency": "USD", "products": None}
    other = {**same, "currency": "EUR"}
    first, again, different = (Redeem.model_validate(each).fingerprint() for each in (same, {**same}, other))
    assert first == again != different
    assert Redeem.model_validate({**body, "requestId": "order-1"}).fingerprint() == first


def test_the_order_of_keys_does_not_count_inside_either():
    """The objects with keys of the caller's choice are metadata and the amounts in further currencies."""
    turned = {
        **VOUCHER,
        "priceDiscount": {**DISCOUNT, "currencyOptions": {"JPY": 1500, "EUR": 899}},
        "metadata": {"rank": 1, "campaign": "spring"},
    }
    first, again = (CreateVoucher.model_validate(each).fingerprint() for each in (VOUCHER, turned))
    assert first == again
