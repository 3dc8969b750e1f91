"""The tables, their constraints, and the few queries on them. Nothing here begins or ends a transaction."""

from models import answer, discount, redemption, subscription, usage, usage_record, voucher

# Whoever imports one of them has the metadata of all.
__all__ = ["answer", "discount", "redemption", "subscription", "usage", "usage_record", "voucher"]
