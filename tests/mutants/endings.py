"""Mutants of ends and returned places."""

from tests.mutants.mutant import TWINS, Mutant

END = "tasks/discounts/end_subscription.py"
ENDING = ("tests/discounts/test_end_subscription_locks.py",)

MUTANTS = [
    Mutant(
        "discounts are ended in any project",
        "An end is one of a discount of the project.",
        "models/discounts/ending.py",
        ".where(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id)",
        ".where(DISCOUNTS.c.id == _KEYS.c.id)",
        TWINS,
    ),
    Mutant(
        "discounts of any project are on a subscription that ends",
        "The end of a subscription concerns its project.",
        "models/discounts/ending.py",
        "columns.project.collate(LOOK_UP_COLLATION) == project, columns.subscription == subscription",
        "columns.subscription == subscription",
        TWINS,
    ),
    Mutant(
        "a discount ends a second time",
        "The end of a discount is final.",
        "tasks/discounts/end.py",
        "    if row.status != DiscountStatus.ENDED:\n",
        "    if row.status:\n",
        ("tests/discounts/test_end.py", "tests/discounts/test_end_concurrency.py"),
    ),
    Mutant(
        "the end of a subscription does not lock it",
        "A redemption that waits for the subscription's end starts after it, or the end knows its discount.",
        END,
        "    lock_subscriptions(session, keys=[(request.project, request.subscription)])\n",
        "",
        ENDING,
    ),
    Mutant(
        "the end of a subscription does not lock the vouchers",
        "The places that the end returns are counted on vouchers that nobody else changes.",
        END,
        "    vouchers = list(lock_vouchers(session, keys=keys).values())\n",
        "    from models.vouchers.look_up import read_vouchers\n\n"
        "    vouchers = list(read_vouchers(session, keys=keys).values())\n",
        ENDING,
    ),
    Mutant(
        "the end of a subscription does not look for new vouchers",
        "A discount that began during the wait is ended too.",
        END,
        "    if not {each.voucher_id for each in granted} <= {each.id for each in vouchers}:\n"
        "        raise ChangedMeanwhileError\n",
        "",
        ENDING,
    ),
    Mutant(
        "the end of a subscription ends a discount twice",
        "The end of a discount is final.",
        END,
        "ended = [(row.project, row.id) for row in discounts if row.status != DiscountStatus.ENDED]",
        "ended = [(row.project, row.id) for row in discounts]",
        ("tests/discounts/test_end_subscription.py",),
    ),
    Mutant(
        "the end of a subscription returns used places",
        "A redemption that took effect keeps its place.",
        END,
        "for row in discounts if not row.cycles}",
        "for row in discounts}",
        ("tests/discounts/test_end_subscription_places.py",),
    ),
    Mutant(
        "places are returned twice",
        "A place is returned once.",
        END,
        "keys=[key for key in unused if key[1] not in returned]",
        "keys=list(unused)",
        ("tests/discounts/test_end_subscription_places.py",),
    ),
    Mutant(
        "returned places of any project are found",
        "A place belongs to a project.",
        "models/redemptions/returned_place.py",
        "and_(RETURNED_PLACES.c.project == _DISCOUNTS.c.project, RETURNED_PLACES.c.discount_id == _DISCOUNTS.c.id)",
        "and_(RETURNED_PLACES.c.discount_id == _DISCOUNTS.c.id)",
        TWINS,
    ),
    Mutant(
        "a charge-back does not keep the place",
        "After a charge-back a redemption keeps its place.",
        "models/redemptions/returned_place.py",
        "    WHERE has_charge_back IS NOT TRUE\n",
        "",
        ("tests/discounts/test_end_subscription_places.py", "tests/invoices/test_reverse_places.py"),
    ),
    Mutant(
        "a hold keeps no exclusive voucher off",
        "An exclusive voucher is not redeemed beside a hold.",
        "tasks/redemptions/batch.py",
        "exist=bool(held or self",
        "exist=bool(self",
        ("tests/redemptions/test_exclusive.py",),
    ),
    Mutant(
        "a room has no exclusive discount",
        "No discount is moved beside an exclusive one.",
        "domain/discount_change.py",
        "if not is_combinable(is_exclusive=is_exclusive, others=beside):",
        "if is_exclusive and beside.exist:",
        ("tests/discounts/test_move_exclusive.py",),
    ),
    Mutant(
        "a room has no hold of an exclusive voucher",
        "No discount is moved beside a hold that it could not stand beside.",
        "domain/discount_change.py",
        "is_kept = is_held or not is_combinable(is_exclusive=is_exclusive, others=held)",
        "is_kept = is_held",
        ("tests/discounts/test_move_exclusive.py",),
    ),
]
