"""Mutants of vouchers: creations, updates, retirements and counters."""

from tests.mutants.mutant import TWINS, Mutant

UPDATE = "tasks/vouchers/update.py"
CREATE = "tasks/vouchers/create.py"
RETIRE = "tasks/vouchers/retire.py"
COUNTERS = "models/vouchers/counters.py"
FILTER, LISTING = "models/vouchers/filter.py", "models/vouchers/listing.py"
FILTERED = ("tests/vouchers/test_filters.py",)
UPDATING_AT_ONCE = ("tests/vouchers/test_update_locks.py", "tests/vouchers/test_update_concurrency.py")
CREATING_AT_ONCE = ("tests/vouchers/test_create_and_retire_concurrency.py",)

MUTANTS = [
    Mutant(
        "an update's code is not looked up again after the locks",
        "An update keeps the code that another update has given the voucher meanwhile.",
        UPDATE,
        "    if _wanted_code(request, row=row) != code:\n        raise ChangedMeanwhileError\n",
        "",
        UPDATING_AT_ONCE,
    ),
    Mutant(
        "an update does not read the voucher again after the locks",
        "No update undoes the change of another update.",
        UPDATE,
        "    row = find_voucher(session, project=request.project, id=request.voucher)\n    if _wanted",
        "    row = before\n    if _wanted",
        UPDATING_AT_ONCE,
    ),
    Mutant(
        "an update does not lock the voucher",
        "No update undoes the change of another update.",
        UPDATE,
        "        locking=[(request.project, request.voucher)],\n",
        "        locking=[],\n",
        UPDATING_AT_ONCE,
    ),
    Mutant(
        "an update of a redeemed voucher changes its money",
        "After the first redemption, the money terms stay.",
        UPDATE,
        "    if row.redemptions and is_promise_changed:",
        "    if row.redemptions > 1 and is_promise_changed:",
        ("tests/vouchers/test_update_after_redemption.py",),
    ),
    Mutant(
        "an update of a held voucher changes its terms",
        "A hold promises the present terms.",
        UPDATE,
        "    if held and (is_promise_changed",
        "    if held > 1 and (is_promise_changed",
        ("tests/vouchers/test_update_while_held.py",),
    ),
    Mutant(
        "a limit is lowered below what is taken",
        "A limit is never below what is redeemed or held.",
        UPDATE,
        "    if maximum is None or maximum >= taken:",
        "    if maximum is None or maximum >= taken - 1:",
        ("tests/vouchers/test_update_after_redemption.py", "tests/vouchers/test_update_fields.py"),
    ),
    Mutant(
        "a budget is lowered below what is spent",
        "A budget is never below what is spent.",
        "tasks/vouchers/budgets.py",
        "amounts.get(each.currency, each.spent_minor) < each.spent_minor]",
        "amounts.get(each.currency, each.spent_minor) < each.spent_minor - 1]",
        ("tests/vouchers/test_budget_locks.py", "tests/invoices/test_caps_of_vouchers.py"),
    ),
    Mutant(
        "a voucher is retired by hand at its end",
        "From its end on, a voucher is retired as expired.",
        RETIRE,
        "row.expires_at is not None and row.expires_at <= now:",
        "row.expires_at is not None and row.expires_at < now:",
        ("tests/vouchers/test_instants.py",),
    ),
    Mutant(
        "retiring does not lock the voucher",
        "A voucher is retired once.",
        RETIRE,
        "    lock_vouchers(session, keys=[key])\n",
        "",
        CREATING_AT_ONCE,
    ),
    Mutant(
        "a retired voucher is retired again",
        "The first retirement stays.",
        RETIRE,
        "    if row.retired_reason is not None:\n        return shown",
        "    if row.retired_reason is None and False:\n        return shown",
        ("tests/vouchers/test_vouchers.py",),
    ),
    Mutant(
        "a creation is read before its code is locked",
        "A creation that is delivered twice has one answer.",
        CREATE,
        "            if stored.fingerprint == fingerprint and stored.creation_answer is not None:",
        "            if stored.creation_answer is not None:",
        ("tests/vouchers/test_vouchers.py", "tests/vouchers"),
    ),
    Mutant(
        "creations of any project are replayed",
        "A request id belongs to a project.",
        "models/vouchers/look_up.py",
        "return session.execute(select(VOUCHERS).where(VOUCHERS.c.project == project, *keyed)).one_or_none()",
        "return session.execute(select(VOUCHERS).where(*keyed)).one_or_none()",
        TWINS,
    ),
    Mutant(
        "a voucher of any project is found",
        "A voucher belongs to a project.",
        "models/vouchers/look_up.py",
        "select(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)",
        "select(VOUCHERS).where(VOUCHERS.c.id == id)",
        TWINS,
    ),
    Mutant(
        "a voucher of any project is changed",
        "A voucher belongs to a project.",
        "models/vouchers/writes.py",
        "statement = update(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)",
        "statement = update(VOUCHERS).where(VOUCHERS.c.id == id)",
        TWINS,
    ),
    Mutant(
        "held places of any project change",
        "A hold counts in its project.",
        COUNTERS,
        "    .where(VOUCHERS.c.project == _CHANGED.c.project, VOUCHERS.c.id == _CHANGED.c.id)\n",
        "    .where(VOUCHERS.c.id == _CHANGED.c.id)\n",
        TWINS,
    ),
    Mutant(
        "places return in any project",
        "A place returns in its project.",
        COUNTERS,
        "    .where(VOUCHERS.c.project == _PLACES.c.project, VOUCHERS.c.id == _PLACES.c.id)\n",
        "    .where(VOUCHERS.c.id == _PLACES.c.id)\n",
        TWINS,
    ),
    Mutant(
        "the history of any project's voucher is told",
        "A history belongs to a project.",
        "models/vouchers/change.py",
        "VOUCHER_CHANGES.c.project == project, VOUCHER_CHANGES.c.voucher_id == voucher_id)",
        "VOUCHER_CHANGES.c.voucher_id == voucher_id)",
        TWINS,
    ),
    Mutant(
        "a list has vouchers of the instant at which its span ends",
        "The span of creation is half-open.",
        FILTER,
        "min(end, first_id_at(self.created_before))",
        "min(end, UUID(int=first_id_at(self.created_before).int + 2**64))",
        FILTERED,
    ),
    Mutant(
        "a page of both statuses is not sorted",
        "A campaign's vouchers of both statuses are listed newest first.",
        LISTING,
        "AS branches ORDER BY id {order} LIMIT :limit",
        "AS branches LIMIT :limit",
        FILTERED,
    ),
]
