"""The model of random histories: exclusive vouchers, which stand alone on a subscription."""

from collections.abc import Sequence
from datetime import datetime

from tests.histories.discounting import Discount
from tests.histories.entities import Json, Voucher
from tests.histories.hold_rules import Hold


def clash(terms: Json, others: Sequence[Json]) -> bool:
    """Return whether terms or one of the others are exclusive, if there are others."""
    return any(each.get("exclusive", False) for each in [terms, *others]) and bool(others)


def holds_on(holds: Sequence[Hold], place: Json, *, at: datetime) -> list[Hold]:
    """Return the open holds of all vouchers for a subscription."""
    open_ = [each for each in holds if each.status == "open" and not each.has_lapsed(at)]
    return [each for each in open_ if all(each.body[name] == place[name] for name in ("project", "subscription"))]


def terms_beside(
    holds: Sequence[Hold], *, running: Sequence[Discount], voucher: Voucher | None, body: Json, at: datetime
) -> list[Json]:
    """Return the terms of all that runs or is held on a request's subscription, but of no hold of its own.

    The holds of the voucher by the customer are those that the request confirms or replaces.
    """
    held = [
        each
        for each in holds_on(holds, body, at=at)
        if each.voucher is not voucher or each.body["customer"] != body["customer"]
    ]
    return [*(each.terms for each in running), *(each.voucher.body for each in held)]
