"""Checks of holds: a held place is redeemed if its customer confirms, and never after it was released."""

from collections.abc import Iterator

from tests.faults.finding import Finding
from tests.faults.history import Asking, Decision, History


def confirmed_after_release(history: History) -> Iterator[Finding]:
    """Find holds that were confirmed by a request that was sent after their release had been told."""
    for hold, asking in _confirmations(history):
        release = history.decisions.get(("release", *hold.key[1:]))
        is_released = release is not None and release.answer["status"] == "released"
        if release and is_released and release.told_at < asking.sent_at and asking.answer["outcome"] == "accepted":
            yield Finding("confirmed after release", hold.key, f"{asking.answer}")


def held_places_refused(history: History) -> Iterator[Finding]:
    """Find confirmations of held places that were refused. No hold of a run lapses."""
    for hold, asking in _confirmations(history):
        releases = history.by_key.get(("release", *hold.key[1:]), [])
        may_be_released = any(each.sent_at < (asking.answered_at or asking.sent_at) for each in releases)
        is_refused = asking.answer["outcome"] == "refused" and not (
            asking.reason == "hold_released" and may_be_released
        )
        if is_refused and not _may_be_replaced(history, hold, asking):
            yield Finding("held place refused", hold.key, f"{asking.answer}")


def _may_be_replaced(history: History, hold: Decision, asking: Asking) -> bool:
    """Return whether the customer may have taken the place with another request for the same voucher."""
    own = (hold.voucher, hold.answer["customer"])
    return any(
        (each.voucher, each.answer["customer"]) == own
        and each.key[2] != hold.key[2]
        and each.sent_at < (asking.answered_at or asking.sent_at)
        for each in (*history.decided("redemption"), *history.decided("hold"))
    )


def released_and_confirmed(history: History) -> Iterator[Finding]:
    """Find holds that were both released and redeemed."""
    for release in history.decided("release"):
        redemption = history.decisions.get(("redemption", *release.key[1:]))
        is_redeemed = redemption is not None and redemption.reason is None
        if is_redeemed == (release.answer["status"] == "released"):
            yield Finding("released, and yet redeemed or the reverse", release.key, f"{release.answer}")


def _confirmations(history: History) -> Iterator[tuple[Decision, Asking]]:
    for hold in history.decided("hold"):
        for asking in history.by_key.get(("redemption", *hold.key[1:]), []) if hold.reason is None else ():
            if asking.task == "redemptions.confirm" and asking.is_answered:
                yield hold, asking
