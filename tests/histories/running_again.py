"""The model of random histories: the room for a discount whose balance or cycles came back."""

from collections.abc import Callable, Sequence
from datetime import datetime

from tests.histories.combining import clash, holds_on
from tests.histories.discounting import Discount
from tests.histories.entities import Json
from tests.histories.model import Model
from tests.histories.refusals import RUNNING_MAX


def let_run_again(
    model: Model,
    discounts: Sequence[Discount],
    *,
    change: Callable[[Discount], None],
    places: Sequence[Json],
    at: datetime,
) -> None:
    """Change the amounts of discounts, and let those run that are not over and have room on their subscription.

    A discount without room on its subscription stays completed. `places` are the subscriptions to look at: those of the
    invoices, and those that their discounts are on now.
    """
    if not discounts:
        return
    runs = [each for each in discounts if each.runs_by(at.date())]
    for place in places:
        model.complete([each for each in model.granted_to(place) if each not in discounts], at=at)
    for each in discounts:
        change(each)
        each.has_updated_at = True
    undecided = [*runs, *(each for each in discounts if each not in runs)]
    while undecided:
        each = undecided.pop(0)
        if each.ended_at is None:
            run_if_there_is_room(model, each, without=undecided, at=at)


def place_of(discount: Discount) -> Json:
    """Return the subscription that a discount is on."""
    return {"project": discount.project, "subscription": discount.subscription}


def run_if_there_is_room(model: Model, discount: Discount, *, without: Sequence[Discount], at: datetime) -> None:
    """Let a discount that is not over run on its subscription, or stay completed if there is no room beside others."""
    place = place_of(discount)
    others = [each for each in model.running_on(place, at=at) if each is not discount and each not in without]
    taken = {each.voucher for each in others} | held_for(model, place, at=at)
    beside = [*(each.terms for each in others), *terms_held_for(model, place, at=at)]
    has_no_place = discount.voucher in taken or len(others) >= RUNNING_MAX or clash(discount.terms, beside)
    discount.stays_completed = has_no_place and not discount.is_over_by(at.date())
    discount.is_completed = discount.stays_completed or discount.is_over_by(at.date())
    discount.has_completed_at = discount.is_completed


def held_for(model: Model, place: Json, *, at: datetime) -> set[str]:
    """Return the vouchers that are held for a subscription."""
    return {each.voucher.id for each in holds_on(model.holds, place, at=at)}


def terms_held_for(model: Model, place: Json, *, at: datetime) -> list[Json]:
    """Return the terms of the vouchers that are held for a subscription."""
    return [each.voucher.body for each in holds_on(model.holds, place, at=at)]
