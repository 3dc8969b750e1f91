"""The fingerprints of stored requests: whoever changes them makes every old request a conflict."""

from tasks.invoice_messages import Apply
from tasks.messages import Redeem
from tasks.reversal_messages import ReverseInvoice
from tests.tasks.requests import invoice, redemption

PINNED = {
    "redemption": "f55470d4375e4e4e2ebc5f436a1d620047ca6403dc03b4b2f086e81230f74e67",
    "invoice": "9614159fb5b4a79311565ba188896fbf791098919b7c48145498ffd060525855",
    "refund": "f12d83a492ade9c012da21a93b41e0b5912ffb4dbf4934d11bc6235b6f828151",
    "failed payment": "6b35fea3f059ebac02d5ebf139b155783b8118b061004df17405064a0d250811",
}


def test_a_fingerprint_stays_what_it_was_when_it_was_stored():
    """Every field is given, so that a field that moves or is renamed is noticed."""
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
    refunded = {"reason": "refunded", "requestId": "refund-1", "lines": [{"id": "base", "amount": 2150}]}
    refund = ReverseInvoice.model_validate({**reversal, **refunded})
    failed = ReverseInvoice.model_validate({**reversal, "reason": "payment_failed", "chargedBack": False})
    requests = dict(zip(PINNED, (full, billed, refund, failed), strict=True))
    assert {name: each.fingerprint().hex() for name, each in requests.items()} == PINNED


def test_the_same_meaning_has_the_same_fingerprint():
    """Spelling, defaults and the order of keys do not count; every value does."""
    body = redemption(requestId="order-1", code="SUMMER", customer="c", subscription="s", currency="usd")
    same = {"request_id": body.pop("requestId"), **dict(reversed(body.items())), "currency": "USD", "products": None}
    other = {**same, "currency": "EUR"}
    first, again, different = (Redeem.model_validate(each).fingerprint() for each in (same, {**same}, other))
    assert first == again != different
    assert Redeem.model_validate({**body, "requestId": "order-1"}).fingerprint() == first
