"""Checks of refused redemptions and holds: every refusal needs a cause, or somebody eligible was refused.

A refusal is decided between its sending and its answer. Its cause must have been sent before the answer was told.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from tests.faults.discount_changes import changes_of
from tests.faults.finding import Finding
from tests.faults.history import Asking, Decision, History
from tests.faults.voucher_limits import LimitsOfVouchers, VoucherLimits


def refused_without_a_cause(history: History) -> Iterator[Finding]:
    """Find final refusals of redemptions and holds that nothing in the history explains."""
    limits = LimitsOfVouchers(history)
    for each in (*history.decided("redemption"), *history.decided("hold")):
        if each.reason is None:
            continue
        cause = CAUSES.get(each.reason)
        if cause is None or not cause(history, limits[each.voucher], each):
            name = "full too early" if each.reason == "max_redemptions_reached" else "eligible, but refused"
            yield Finding(name, each.key, f"{each.reason}: {each.answer}")


def refused_for_a_while_without_a_cause(history: History) -> Iterator[Finding]:
    """Find answers of `fully_reserved` though a place was left, whatever became of the holds."""
    limits = LimitsOfVouchers(history)
    for each in history.askings:
        if each.key[0] not in {"redemption", "hold"} or each.reason != "fully_reserved":
            continue
        if not _was_reserved(history, limits[each.answer["voucher"]], each):
            yield Finding("eligible, but refused", each.key, f"fully_reserved: {each.answer}")


def accepted_after_retirement(history: History) -> Iterator[Finding]:
    """Find redemptions that were accepted after their voucher had been retired by hand. A held place is honoured."""
    for retirement in history.decided("retirement"):
        if retirement.answer["retiredReason"] != "manualAction":
            continue
        retired_at = datetime.fromisoformat(retirement.answer["retiredAt"])
        for each in history.accepted(retirement.answer["id"]):
            is_late = history.is_clock_trusted and each.decided_at is not None and each.decided_at > retired_at
            is_held = ("hold", *each.key[1:]) in history.by_key
            if (is_late or each.sent_at > retirement.told_at) and not is_held:
                yield Finding("accepted after retirement", each.key, f"{each.answer}, retired at {retired_at}")


def _was_reserved(history: History, limits: VoucherLimits, asking: Asking) -> bool:
    told_at = asking.answered_at or asking.sent_at
    voucher = asking.answer["voucher"]
    holds = [
        each
        for each in history.decided("hold")
        if each.voucher == voucher and each.reason is None and each.sent_at < told_at
    ]
    taken = sum(each.sent_at < told_at for each in history.accepted(voucher))
    places = [each.places for each in limits.maxima if each.since <= told_at and each.until >= asking.sent_at]
    on_subscription = any(each.request["subscription"] == asking.answer["subscription"] for each in holds)
    of_customer = bool(limits.is_known and limits.customer_maximum) and any(
        each.request["customer"] == asking.answer["customer"] for each in holds
    )
    return on_subscription or of_customer or not places or taken + len(holds) >= min(places)


def _is_full(history: History, limits: VoucherLimits, refused: Decision) -> bool:
    places = limits.possible_places(refused)
    return not places or len(_accepted_before(history, refused)) >= min(places)


def _is_retired(_history: History, limits: VoucherLimits, refused: Decision) -> bool:
    return limits.retired_since < refused.told_at


def _is_unknown(history: History, _limits: VoucherLimits, refused: Decision) -> bool:
    named, code = refused.request.get("voucher"), refused.request.get("code")
    return not any(
        each.told_at < refused.sent_at and (each.answer["id"] == named or (code and each.answer["code"] == code))
        for each in history.decided("voucher")
    )


def _is_applied(history: History, _limits: VoucherLimits, refused: Decision) -> bool:
    """Return whether a discount may have been there: redeemed or moved there, and not moved away before."""
    stays = changes_of(history).on_subscription.get((refused.voucher or "", refused.answer["subscription"]), ())
    return any(each.may_overlap(refused.sent_at, refused.told_at) for each in stays)


def _is_customers_limit(history: History, limits: VoucherLimits, refused: Decision) -> bool:
    before = _accepted_before(history, refused)
    taken = sum(each.answer["customer"] == refused.answer["customer"] for each in before)
    return limits.customer_maximum is not None and taken >= limits.customer_maximum


def _accepted_before(history: History, refused: Decision) -> list[Decision]:
    """Return the redemptions that may have been accepted before the refusal."""
    return [
        each
        for each in history.accepted(refused.voucher)
        if each.sent_at < refused.told_at and (not history.is_clock_trusted or _is_decided_before(each, refused))
    ]


def _is_decided_before(accepted: Decision, refused: Decision) -> bool:
    if accepted.decided_at is None or refused.decided_at is None:
        return True
    return accepted.decided_at <= refused.decided_at


CAUSES: dict[str, Callable[[History, VoucherLimits, Decision], bool]] = {
    "max_redemptions_reached": _is_full,
    "voucher_retired": _is_retired,
    "voucher_not_found": _is_unknown,
    "already_applied": _is_applied,
    "customer_limit_reached": _is_customers_limit,
}
