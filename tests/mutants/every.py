"""All listed mutants, room by room."""

from tests.mutants import (
    attempts,
    bounds,
    budgets,
    codes,
    discounts,
    domain,
    endings,
    holds,
    intake,
    invoices,
    redemption_locks,
    redemptions,
    replays,
    retention,
    reversals,
    sweeps,
    usages,
    vouchers,
)

ROOMS = (
    domain,
    redemption_locks,
    redemptions,
    replays,
    retention,
    holds,
    attempts,
    bounds,
    discounts,
    endings,
    invoices,
    budgets,
    reversals,
    vouchers,
    codes,
    sweeps,
    usages,
    intake,
)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
