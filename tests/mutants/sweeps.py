"""Mutants of sweeps."""

from tests.mutants.mutant import TWINS, Mutant

MUTANTS = [
    Mutant(
        "a voucher is full with one place left in the sweep",
        "A voucher with a place left is available.",
        "models/sweeps/expiry.py",
        "is_due=and_(table.c.retired_reason.is_(None), table.c.is_full)",
        "is_due=and_(table.c.retired_reason.is_(None), table.c.redemptions > 0)",
        ("tests/sweeps/test_expiry.py",),
    ),
    Mutant(
        "a sweep retires a voucher after its end",
        "A sweep retires what has ended, from the end on.",
        "models/sweeps/expiry.py",
        "table.c.expires_at <= now)",
        "table.c.expires_at < now)",
        ("tests/sweeps/test_expiry.py",),
    ),
    Mutant(
        "a sweep completes a discount a day late",
        "A discount is over on the day `ends_on`.",
        "models/sweeps/expiry.py",
        "DISCOUNTS.c.ends_on <= now.date()",
        "DISCOUNTS.c.ends_on < now.date()",
        ("tests/sweeps/test_expiry.py",),
    ),
    Mutant(
        "a sweep waits for locked rows",
        "A sweep skips what others have locked.",
        "models/sweeps/expiry.py",
        "        .with_for_update(skip_locked=True, key_share=True)\n",
        "        .with_for_update(key_share=True)\n",
        ("tests/sweeps/test_expiry.py",),
    ),
    Mutant(
        "a sweep changes rows of any project",
        "A sweep retires what is due, and nothing of the same id in another project.",
        "models/sweeps/expiry.py",
        "    rows = update(table).where(table.c.project == due.c.project, table.c.id == due.c.id)\n",
        "    rows = update(table).where(table.c.id == due.c.id)\n",
        TWINS,
    ),
    Mutant(
        "a sweep lapses holds of any project",
        "A sweep lapses what is due, and nothing of the same id in another project.",
        "models/sweeps/expiry.py",
        "    .where(HOLDS.c.project == _DUE_HOLDS.c.project, HOLDS.c.id == _DUE_HOLDS.c.id)\n",
        "    .where(HOLDS.c.id == _DUE_HOLDS.c.id)\n",
        TWINS,
    ),
]
