"""The tables, their constraints and their queries. Nothing here begins or ends a transaction."""

# Importing any model loads all tables, because their foreign keys name each other.
from models import write_answer
from models.codes import code, generation
from models.customers import erasure
from models.discounts import change, discount, subscription
from models.intake import attempt, dead_letter
from models.invoices import ledger, reversal
from models.monitoring import beat_tick, recorded_audit
from models.redemptions import failed_attempts, hold, redemption, returned_place
from models.sweeps import recorded_sweep
from models.usages import recorded_usage
from models.vouchers import budget, given, voucher
from models.vouchers import change as voucher_change

__all__ = [
    "attempt",
    "beat_tick",
    "budget",
    "change",
    "code",
    "dead_letter",
    "discount",
    "erasure",
    "failed_attempts",
    "generation",
    "given",
    "hold",
    "ledger",
    "recorded_audit",
    "recorded_sweep",
    "recorded_usage",
    "redemption",
    "returned_place",
    "reversal",
    "subscription",
    "voucher",
    "voucher_change",
    "write_answer",
]
