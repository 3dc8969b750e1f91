"""Mutants of the locks of redeeming, and of what is read after them."""

from tests.mutants.mutant import TWINS, Mutant

BATCH = "tasks/redemptions/batch.py"
LOOK_UP = "tasks/redemptions/look_up.py"
AT_ONCE = ("tests/redemptions/test_redeem_concurrency.py",)

MUTANTS = [
    Mutant(
        "vouchers are not locked",
        "No voucher is over-redeemed: a batch decides on counters that nobody else changes.",
        "models/vouchers/look_up.py",
        "_LOCK = _READ.with_for_update(of=VOUCHERS, key_share=True)",
        "_LOCK = _READ",
        AT_ONCE,
    ),
    Mutant(
        "vouchers are locked in any order",
        "Two batches that name the same vouchers never deadlock.",
        "models/vouchers/look_up.py",
        "    .order_by(VOUCHERS.c.id)\n",
        "    .order_by(VOUCHERS.c.id.desc())\n",
        ("tests/database/test_lock_order.py", *AT_ONCE),
    ),
    Mutant(
        "vouchers of any project are locked",
        "A voucher belongs to a project.",
        "models/vouchers/look_up.py",
        "and_(VOUCHERS.c.project == _KEYS.c.project, VOUCHERS.c.id == _KEYS.c.id)",
        "and_(VOUCHERS.c.id == _KEYS.c.id)",
        TWINS,
    ),
    Mutant(
        "subscriptions are not locked",
        "The limit of discounts of a subscription holds across vouchers.",
        "models/discounts/subscription.py",
        "        session.execute(_LOCK, parameters)",
        "        pass",
        AT_ONCE,
    ),
    Mutant(
        "subscriptions are locked without FOR UPDATE",
        "The limit of discounts of a subscription holds across vouchers.",
        "models/discounts/subscription.py",
        "    .with_for_update(of=SUBSCRIPTIONS, key_share=True)\n",
        "",
        AT_ONCE,
    ),
    Mutant(
        "subscriptions are locked in any order",
        "Two batches that name the same subscriptions never deadlock.",
        "models/discounts/subscription.py",
        '.order_by(collate(SUBSCRIPTIONS.c.project, "C"), collate(SUBSCRIPTIONS.c.subscription, "C"))',
        '.order_by(collate(SUBSCRIPTIONS.c.subscription, "C").desc())',
        ("tests/database/test_lock_order.py",),
    ),
    Mutant(
        "subscriptions are added in any order",
        "Two batches that add the same subscriptions never deadlock.",
        "models/discounts/subscription.py",
        "_COLUMNS, sorted(set(keys)))",
        "_COLUMNS, sorted(set(keys), reverse=True))",
        ("tests/database/test_lock_order.py",),
    ),
    Mutant(
        "a redemption does not lock the subscriptions",
        "The limit of discounts of a subscription holds across vouchers.",
        BATCH,
        "        lock_subscriptions(session, keys={each.subscription for each in claims})\n",
        "",
        AT_ONCE,
    ),
    Mutant(
        "the clock is read at the start of the transaction",
        "A voucher that ends during the wait for a lock is refused.",
        "models/base.py",
        "_CLOCK = select(func.clock_timestamp(type_=Instant))",
        "_CLOCK = select(func.now(type_=Instant))",
        AT_ONCE,
    ),
    Mutant(
        "codes are not looked up again after the locks",
        "A code that changes hands during a wait names the new voucher.",
        LOOK_UP,
        "    named = find_by_code(session, codes=wanted)\n",
        "    named = before_locks\n",
        AT_ONCE,
    ),
    Mutant(
        "a code that has changed hands is decided",
        "A code that changes hands during a wait names the new voucher.",
        LOOK_UP,
        "    if _ids(named) != _ids(before_locks):\n        raise ChangedMeanwhileError\n",
        "",
        AT_ONCE,
    ),
    Mutant(
        "redemptions are inserted in any order",
        "Two batches with the same request ids never deadlock.",
        "models/redemptions/redemption.py",
        'in_order = sorted(rows, key=attrgetter("project", "request_id"))',
        "in_order = rows",
        ("tests/database/test_lock_order.py",),
    ),
]
