"""The tables, their constraints, and the few queries on them. Nothing here begins or ends a transaction."""

from models import (
    answer,
    budget,
    code,
    discount,
    generation,
    redemption,
    subscription,
    usage,
    usage_record,
    voucher,
)

# Whoever imports one of them has the metadata of all.
__all__ = [
    "answer",
    "budget",
    "code",
    "discount",
    "generation",
    "redemption",
    "subscription",
    "usage",
    "usage_record",
    "voucher",
]
