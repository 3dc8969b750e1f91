"""Exports of Polar: discounts and subscriptions (https://docs.polar.sh/api-reference).

A subscription has no object for its discount, so its own id and that of the discount name it. The months of a repeating
discount count from the first period that was no trial. Polar takes a discount out of the subscription with the first
period that gets none, so the current period had every discount that is shown.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.orm import Session

from domain.imported_history import ImportedHistory
from domain.recurrence import add_months
from tasks.exports.cycles import TOLERANCE, Subscription, cycles_since, differs_here, interval_of, none_had
from tasks.exports.discounts import RunningDiscount, decide_discounts
from tasks.exports.lines import Line, id_of, refused, skipped
from tasks.exports.lines import invalid as invalid_line
from tasks.exports.system import Kind, Scope, System
from tasks.exports.vouchers import as_full, decide_vouchers
from tasks.foreign.polar import FIELDS, our_voucher
from tasks.foreign.polar_messages import CreateDiscount, PolarInstant, PolarMessage
from tasks.vouchers.create import NewVoucher
from tasks.wire.answers import Answer, instant
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import AMOUNT_MINOR_MAX, DURATION_MAX, ExternalId
from tasks.wire.parsing import parse

DISCOUNT, SUBSCRIPTION = "discount", "subscription"
NOT_RUNNING = {"canceled", "incomplete", "incomplete_expired", "unpaid"}
NO_PERIOD = "its subscription has no period that is understood"
OVER = "the subscription is over, or has not begun"
NO_DISCOUNT = "has no discount"
ADDED_LATER = "its discount was added later, and the export does not say when"
DIFFERS = "its months would discount more or fewer periods here"


class PolarDiscount(CreateDiscount):
    """The discount object. `redemptions_count` is how often it was redeemed there."""

    id: ExternalId
    redemptions_count: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0


def _delivery(key: str) -> str:
    return f"polar.discounts.import:{key}"


def _import_discounts(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    def new(body: Any) -> NewVoucher:
        discount = parse(PolarDiscount, {**_as_created(body), "organization_id": scope.project})
        ours = our_voucher(discount)
        return NewVoucher(
            request=as_full(ours, redemptions=discount.redemptions_count),
            delivery=_delivery(discount.id),
            history=ImportedHistory(redemptions=discount.redemptions_count, is_withdrawn=False),
            body_fingerprint=ours.fingerprint(),
        )

    return decide_vouchers(session, bodies, object_=DISCOUNT, new=new, names=FIELDS)


def _as_created(discount: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that creates the discount: with the ids of its products, and each amount once."""
    body = dict(discount)
    if isinstance(products := body.get("products"), list):
        body["products"] = [each.get("id") if isinstance(each, Mapping) else each for each in products]
    # An answer has the amounts twice, and a request must not.
    unused = "amount" if body.get("amounts") else "amounts"
    return {name: value for name, value in body.items() if name != unused}


class PolarSubscription(PolarMessage):
    """The fields of a subscription that say what its discount has had."""

    organization_id: ExternalId
    id: ExternalId
    customer_id: ExternalId
    discount_id: ExternalId
    started_at: PolarInstant
    trial_end: PolarInstant | None = None
    current_period_start: PolarInstant
    current_period_end: PolarInstant
    recurring_interval: str
    recurring_interval_count: int = 1


def _import_running(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    return decide_discounts(session, [[_running(body, scope=scope)] for body in bodies], scope)


def _running(body: Any, *, scope: Scope) -> RunningDiscount | Line:
    id_ = id_of(body)
    if body.get("discount_id") is None:
        return skipped(SUBSCRIPTION, id_, NO_DISCOUNT)
    if body.get("status") in NOT_RUNNING or body.get("started_at") is None:
        return skipped(SUBSCRIPTION, id_, OVER)
    try:
        subscription = parse(PolarSubscription, {**body, "organization_id": scope.project})
    except InvalidRequest as error:
        return invalid_line(SUBSCRIPTION, id_, error)
    interval = interval_of(subscription.recurring_interval, subscription.recurring_interval_count)
    if interval is None:
        return refused(SUBSCRIPTION, id_, NO_PERIOD)
    billing = Subscription(
        start=subscription.current_period_start,
        end=subscription.current_period_end,
        interval=interval,
        anchor_day=subscription.started_at.day,
    )
    is_trial = body.get("status") == "trialing"
    begins = max(subscription.started_at, subscription.trial_end or subscription.started_at)
    cycles = none_had(billing) if is_trial else cycles_since(billing, begins=begins)
    reason = None if is_trial else _reason_to_refuse(body.get("discount"), billing=billing, begins=begins, had=cycles)
    if reason is not None:
        return refused(SUBSCRIPTION, id_, reason)
    request = {
        "ref": f"{subscription.id}:{subscription.discount_id}",
        "customer": subscription.customer_id,
        "subscription": subscription.id,
        "redeemedAt": instant(subscription.started_at),
        **cycles,
    }
    return RunningDiscount(object=SUBSCRIPTION, id=id_, delivery=_delivery(subscription.discount_id), body=request)


def _reason_to_refuse(discount: Any, *, billing: Subscription, begins: datetime, had: Answer) -> str | None:
    """Return why a discount cannot run on here as it did, by the discount in the subscription, or None."""
    months = _months_of(discount)
    if months is None:
        return None
    # The last period begins a month before the end, or at that instant.
    last = datetime.combine(add_months(begins.date(), months=months - 1), begins.timetz()) + TOLERANCE
    if billing.start > last:
        return ADDED_LATER
    first = date.fromisoformat(had["firstCycleStart"])
    is_once = discount.get("duration") == "once"
    return DIFFERS if not is_once and differs_here(billing, months=months, ends=last, first=first) else None


def _months_of(discount: Any) -> int | None:
    """Return the months of a discount, 1 if it is for a single period, or None if there is no end to see."""
    if not isinstance(discount, Mapping):
        return None
    if discount.get("duration") == "once":
        return 1
    months = discount.get("duration_in_months")
    is_known = isinstance(months, int) and 0 < months <= DURATION_MAX
    return months if discount.get("duration") == "repeating" and is_known else None


def _kind_of(body: Any) -> str | None:
    if "current_period_start" in body:
        return SUBSCRIPTION
    return DISCOUNT if "duration" in body and "type" in body else None


POLAR = System(
    kinds=(
        Kind(name=DISCOUNT, decide=_import_discounts, batch_size=100, key_of=id_of),
        Kind(
            name=SUBSCRIPTION,
            decide=_import_running,
            batch_size=500,
            key_of=id_of,
            vouchers_of=lambda body: [id_of(body, "discount_id")],
        ),
    ),
    kind_of=_kind_of,
    delivery_of=_delivery,
)
