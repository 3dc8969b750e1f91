"""What a request to redeem is judged by: the candidate, the purchase, and how all stands."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.eligibility import Candidate, Purchase, Standing
from tasks.answered import CallerKey
from tasks.locked_vouchers import LockedVoucher
from tasks.messages import Redeem
from tasks.named_codes import NamedCode


def judged_by(voucher: LockedVoucher | None, code: NamedCode | None) -> Candidate | None:
    """This function will return what a request is judged by: a voucher, with the code that names it if one does."""
    named = code or voucher
    return named.candidate if named else None


def standing_of(
    request: Redeem,
    voucher: LockedVoucher | None,
    code: NamedCode | None,
    *,
    running: Sequence[UUID],
    completed_cards: Collection[CallerKey],
) -> Standing:
    """This function will say how all stands that the limits are about; `running` are the subscription's vouchers."""
    return Standing(
        redemptions=voucher.places_taken if voucher else 0,
        redemptions_by_customer=voucher.by_customer.get(request.customer, 0) if voucher else 0,
        voucher_is_running=voucher is not None and voucher.row.id in running,
        running_discounts=len(running),
        redemptions_by_code=code.redemptions if code else 0,
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
