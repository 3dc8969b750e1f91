"""Mutants of ramps: which phase a cycle is in, and what is kept of it."""

from tests.mutants.mutant import Mutant

RAMP, PHASES = "domain/ramp.py", ("tests/domain/test_ramp.py",)
GRANTED, BILLED = "tasks/invoices/granted_discounts.py", ("tests/invoices/test_apply_ramps.py",)
COSTS, FORECAST = "domain/ramp_forecast.py", ("tests/vouchers/test_forecast_ramps.py",)

MUTANTS = [
    Mutant(
        "a cycle changes its phase",
        "A cycle stays in its phase.",
        RAMP,
        "if known is not None:",
        "if known is not None and recurrence.duration_in_months is None:",
        PHASES,
    ),
    Mutant(
        "a phase has one cycle more",
        "A phase in cycles has as many as it lasts.",
        RAMP,
        "< end - begin",
        "<= end - begin",
        PHASES,
    ),
    Mutant(
        "a ramp begins again after its import",
        "The cycles of another system had the first places of a ramp in cycles.",
        RAMP,
        "cycles[number] + max(0, before - begin)",
        "cycles[number]",
        ("tests/discounts/test_import_ramps.py",),
    ),
    Mutant(
        "a cycle of elsewhere takes a place of a ramp again",
        "Another invoice of such a cycle is in its phase, and takes no place.",
        RAMP,
        "if not is_within_cycles(start, progress=elsewhere))",
        "if start)",
        ("tests/discounts/test_import_ramps.py",),
    ),
    Mutant(
        "a phase in months ends one cycle late",
        "A phase in months ends before the cycle that starts with the next one.",
        RAMP,
        "cycle_start < add_months(first, months=months)",
        "cycle_start <= add_months(first, months=months)",
        PHASES,
    ),
    Mutant(
        "an earlier cycle does not move the window",
        "A window begins with the earliest cycle.",
        RAMP,
        "first = min(cycle_start, progress.first_start or cycle_start)",
        "first = cycle_start",
        PHASES,
    ),
    Mutant(
        "an extension makes a phase of its own",
        "An extension lengthens the last phase.",
        RAMP,
        "return [*earlier, whole - sum(earlier)]",
        "return list(granted)",
        PHASES,
    ),
    Mutant(
        "a batch forgets the phases of its own cycles",
        "The invoices of a batch are decided each on top of those before.",
        GRANTED,
        "self.phase_by_cycle[cycle.start] = applied.discount.phase",
        "pass",
        BILLED,
    ),
    Mutant(
        "a cycle that was given back keeps its place",
        "A void frees the place of its cycle.",
        "models/invoices/discounted_cycles.py",
        ".where(USAGE_ENTRIES.c.phase.is_not(null()), ~IS_GIVEN_BACK)",
        ".where(USAGE_ENTRIES.c.phase.is_not(null()))",
        BILLED,
    ),
    Mutant(
        "a ramp needs the currency of its first amount only",
        "A ramp is promised as a whole.",
        "domain/eligibility.py",
        "return any(purchase.currency not in each for each in amounts)",
        "return any(purchase.currency not in each for each in list(amounts)[:1])",
        ("tests/domain/test_eligibility.py",),
    ),
    Mutant(
        "a forecast begins each phase with the next cycle",
        "A phase costs something after those before it.",
        COSTS,
        "max(0, before - ramp.cycles), until - max(before, ramp.cycles)",
        "0, until - max(before, ramp.cycles)",
        FORECAST,
    ),
]
