"""Changes that no test can notice, each with the proof. They are not run."""

from tests.mutants.mutant import Equivalent

EQUIVALENT = [
    Equivalent(
        "a purchase of this moment is in the future",
        "domain/eligibility.py",
        "decided_at - grace <= requested_at <= decided_at",
        "decided_at - grace <= requested_at < decided_at",
        "If the two instants are equal, either branch returns the same instant.",
    ),
    Equivalent(
        "the end of a hold when a redemption has its id",
        "tasks/redemptions/held_places.py",
        "for each in open_holds if each.expires_at > at)",
        "for each in open_holds if each.expires_at >= at)",
        "A hold whose end has come was noted as closed before, and `hold_to_confirm` returns no closed hold.",
    ),
    Equivalent(
        "unknown codes of any project are counted",
        "models/redemptions/failed_attempts.py",
        "(FAILED_ATTEMPTS.c.project == _KEYS.c.project) & (FAILED_ATTEMPTS.c.customer == _KEYS.c.customer)",
        "(FAILED_ATTEMPTS.c.customer == _KEYS.c.customer)",
        "The counts are kept by the project of their rows, and looked up by the project of the request.",
    ),
]
