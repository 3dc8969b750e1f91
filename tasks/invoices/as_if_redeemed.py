"""Redeem the vouchers of a preview as if now: decided as `redemptions.redeem` decides them, and not written."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import new_id
from models.discounts.discount import read_as_added
from models.discounts.row_types import DiscountRow
from tasks.invoices.messages import Preview, VoucherToRedeem
from tasks.redemptions.answers import validation_answer
from tasks.redemptions.attempts import Attempts
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.look_up import read_claims
from tasks.redemptions.messages import Redeem
from tasks.wire.answers import Answer

# Stands for a customer or a subscription that does not exist yet. Ids of callers have a character at least, so nobody
# has this one.
NOBODY = ""


@value
class AsIfRedeemed:
    """The answer to each voucher of a preview, and the discounts of the accepted vouchers, in any order."""

    answers: Sequence[Answer] = ()
    discounts: Sequence[DiscountRow] = ()


def redeem_as_if_now(session: Session, request: Preview) -> AsIfRedeemed:
    """Decide the vouchers of a preview in their order, each as if the accepted ones before it were redeemed.

    Without vouchers, no statement is sent.
    """
    if not request.redeem:
        return AsIfRedeemed()
    claims = read_claims(session, [_redemption(request, voucher=each) for each in request.redeem])
    batch = RedemptionBatch.read(session, claims)
    batch.attempts = Attempts.read(session, claims, now=batch.decided_at)
    answers = [batch.decide(claim) for claim in claims]
    batch.name_other_discounts(session)
    return AsIfRedeemed(
        answers=[
            validation_answer(each, request_id=None, customer=request.customer, subscription=request.subscription)
            for each in answers
        ],
        discounts=read_as_added(session, rows=batch.discounts),
    )


def _redemption(request: Preview, *, voucher: VoucherToRedeem) -> Redeem:
    plan = request.plan
    # Without validation: each field was validated, and the sum of the lines may be more than callers can send.
    return Redeem.model_construct(
        project=request.project,
        # An id under which nothing was ever decided.
        request_id=f"preview-{new_id()}",
        voucher=voucher.voucher,
        code=voucher.code,
        customer=request.customer or NOBODY,
        subscription=request.subscription or NOBODY,
        products=[line.product for line in plan.lines if line.product is not None],
        currency=plan.currency,
        subtotal=sum(line.amount for line in plan.lines),
        starts_on=voucher.starts_on,
        is_first_purchase=voucher.is_first_purchase,
    )
