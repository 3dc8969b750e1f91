"""The tables, their constraints, and the few queries on them. Nothing here begins or ends a transaction."""

from models import (
    answer,
    attempt,
    budget,
    code,
    dead_letter,
    discount,
    generation,
    hold,
    place,
    redemption,
    reversal,
    subscription,
    usage,
    usage_record,
    voucher,
)

# Whoever imports one of them has the metadata of all.
__all__ = [
    "answer",
    "attempt",
    "budget",
    "code",
    "dead_letter",
    "discount",
    "generation",
    "hold",
    "place",
    "redemption",
    "reversal",
    "subscription",
    "usage",
    "usage_record",
    "voucher",
]
