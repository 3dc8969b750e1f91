"""The tables, their constraints, and the few queries on them. Nothing here begins or ends a transaction."""

from models import (
    answer,
    code,
    discount,
    generation,
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
    "code",
    "discount",
    "generation",
    "place",
    "redemption",
    "reversal",
    "subscription",
    "usage",
    "usage_record",
    "voucher",
]
