"""List the decided redemptions of a project."""

from sqlalchemy.orm import Session

from domain.code_text import look_up_text
from domain.eligibility import Refusal
from models.codes.look_up import find_ids_of_text
from models.redemptions.listing import REASONS, RedemptionListing, newer_redemptions, older_redemptions
from tasks.intake.task import contract_task
from tasks.redemptions.answers import redemption_answer
from tasks.redemptions.messages import ListRedemptions, Outcome
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("redemptions.list", message=ListRedemptions, first_answer=AnswerTable.READS)
def list_(request: ListRedemptions) -> Answer:
    """List decided redemptions, newest first, in pages."""
    with transaction() as session:
        return list_redemptions(session, request)


def list_redemptions(session: Session, request: ListRedemptions) -> Answer:
    """Return a page of redemptions, newest first, with the positions of the next and the previous page."""
    text = None if request.code is None else look_up_text(request.code)
    listing = RedemptionListing(
        project=request.project,
        is_accepted_listed=request.outcome is not Outcome.REFUSED and request.reason is None,
        reasons=_reasons(request),
        subscription=request.subscription,
        customer=request.customer,
        code=request.code,
        code_ids=() if text is None else find_ids_of_text(session, project=request.project, text=text),
        voucher_id=request.voucher,
        decided_from=request.decided_from,
        decided_before=request.decided_before,
    )
    return page_answer(
        request,
        prefix="red",
        item=redemption_answer,
        older=lambda than, limit: older_redemptions(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_redemptions(session, listing=listing, than=than, limit=limit),
    )


def _reasons(request: ListRedemptions) -> frozenset[Refusal]:
    if request.outcome is Outcome.ACCEPTED:
        return frozenset()
    return REASONS if request.reason is None else REASONS & set(request.reason)
