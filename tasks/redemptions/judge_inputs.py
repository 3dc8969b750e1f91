"""What a request to redeem is judged by: the candidate, the purchase, and how all stands."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.eligibility import Candidate, Counts, Purchase
from tasks.redemptions.batch_codes import BatchCode
from tasks.redemptions.batch_vouchers import BatchVoucher
from tasks.redemptions.messages import Redeem
from tasks.wire.replay import CallerKey


def candidate_of_request(voucher: BatchVoucher | None, code: BatchCode | None) -> Candidate | None:
    """This function will return what a request is judged by: a voucher, with the code that names it if one does."""
    named = code or voucher
    return named.candidate if named else None


def counts_for(
    request: Redeem,
    voucher: BatchVoucher | None,
    code: BatchCode | None,
    *,
    running: Sequence[UUID],
    completed_cards: Collection[CallerKey],
) -> Counts:
    """This function will say how all stands that the limits are about; `running` are the subscription's vouchers."""
    return Counts(
        taken=voucher.places_taken if voucher else 0,
        taken_by_customer=voucher.by_customer.get(request.customer, 0) if voucher else 0,
        voucher_is_running=voucher is not None and voucher.row.id in running,
        running_discounts=len(running),
        taken_by_code=code.redemptions if code else 0,
        stamp_card_is_complete=(request.project, request.request_id) in completed_cards,
    )


def purchase_of(request: Redeem) -> Purchase:
    """This function will return what the request says of what is bought."""
    return Purchase(
        products=frozenset(request.products or ()),
        currency=request.currency,
        subtotal_minor=request.subtotal,
        customer=request.customer,
    )
