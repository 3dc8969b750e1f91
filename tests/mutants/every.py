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
    imports,
    intake,
    invoices,
    ramps,
    redemption_locks,
    redemptions,
    replays,
    retention,
    reversals,
    sweeps,
    totals,
    usages,
    vouchers,
)
from tests.mutants.projects import customers as project_of_customers
from tests.mutants.projects import discounts as project_of_discounts
from tests.mutants.projects import invoices as project_of_invoices
from tests.mutants.projects import redemptions as project_of_redemptions
from tests.mutants.projects import usages as project_of_usages
from tests.mutants.projects import vouchers as project_of_vouchers

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
    imports,
    endings,
    invoices,
    budgets,
    totals,
    ramps,
    reversals,
    vouchers,
    codes,
    sweeps,
    usages,
    intake,
    project_of_redemptions,
    project_of_discounts,
    project_of_invoices,
    project_of_vouchers,
    project_of_usages,
    project_of_customers,
)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
