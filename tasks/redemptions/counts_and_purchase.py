"""The values that the rules judge a request by: the purchase, and the counts of places and discounts."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.combination import Others
from domain.eligibility import Counts, Purchase
from tasks.redemptions.look_up import Claim
from tasks.redemptions.messages import Redeem
from tasks.wire.replay import CallerKey


def counts_for(
    claim: Claim, *, running: Sequence[UUID], others: Others, completed_cards: Collection[CallerKey]
) -> Counts:
    """Return the counts for a request, without holds.

    `running` are the vouchers that run on its subscription, and `others` what runs and is held there beside it.
    """
    voucher, code, customer = claim.voucher, claim.code, claim.request.customer
    return Counts(
        taken=voucher.places_taken if voucher else 0,
        taken_by_customer=voucher.taken_by_customer.get(customer, 0) if voucher else 0,
        voucher_is_running=voucher is not None and voucher.row.id in running,
        running_discounts=len(running),
        taken_by_code=code.places_taken if code else 0,
        taken_by_customer_and_code=code.taken_by_customer.get(customer, 0) if code else 0,
        others=others,
        stamp_card_is_complete=claim.key in completed_cards,
    )


def purchase_of(request: Redeem) -> Purchase:
    """Return the purchase that a request describes."""
    return Purchase(
        products=frozenset(request.products or ()),
        currency=request.currency,
        subtotal_minor=request.subtotal,
        customer=request.customer,
        is_first_purchase=request.is_first_purchase,
    )
