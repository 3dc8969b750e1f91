"""Mutants of budgets, allowances and given amounts."""

from tests.mutants.mutant import TWINS, Mutant

BUDGETS = "tasks/invoices/budgets.py"
BUDGET = "models/vouchers/budget.py"
CARRY_OUT = "tasks/invoices/accepted_reversal.py"
CAPS_AT_ONCE = ("tests/invoices/test_apply_caps_concurrency.py",)

MUTANTS = [
    Mutant(
        "budgets are not locked",
        "All discounts of a voucher together take at most its budget.",
        BUDGET,
        '_LOCK = _FIND.order_by(BUDGETS.c.voucher_id, collate(BUDGETS.c.currency, "C")).with_for_update(\n'
        "    of=BUDGETS, key_share=True\n)",
        "_LOCK = _FIND",
        CAPS_AT_ONCE,
    ),
    Mutant(
        "budgets are locked in any order",
        "Two batches that share budgets never deadlock.",
        BUDGET,
        '_LOCK = _FIND.order_by(BUDGETS.c.voucher_id, collate(BUDGETS.c.currency, "C"))',
        "_LOCK = _FIND.order_by(BUDGETS.c.voucher_id.desc())",
        (*CAPS_AT_ONCE, "tests/database/test_lock_order.py"),
    ),
    Mutant(
        "budgets of any project are locked",
        "A budget belongs to a project.",
        BUDGET,
        "    BUDGETS.c.project == _KEYS.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "budgets of any project are spent",
        "A budget belongs to a project.",
        BUDGET,
        "        BUDGETS.c.project == _SPENT.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "budgets are not locked in an update",
        "An update never lowers a budget below what is spent.",
        BUDGET,
        'return session.execute(own.order_by(collate(BUDGETS.c.currency, "C")).with_for_update(key_share=True)).all()',
        'return session.execute(own.order_by(collate(BUDGETS.c.currency, "C"))).all()',
        ("tests/vouchers/test_budget_locks.py",),
    ),
    Mutant(
        "budgets of any project are locked in an update",
        "A budget belongs to a project.",
        BUDGET,
        "own = select(BUDGETS).where(BUDGETS.c.project == project, BUDGETS.c.voucher_id == voucher_id)",
        "own = select(BUDGETS).where(BUDGETS.c.voucher_id == voucher_id)",
        TWINS,
    ),
    Mutant(
        "budgets of any project are replaced",
        "A budget belongs to a project.",
        BUDGET,
        "    of_voucher = and_(BUDGETS.c.project == project, BUDGETS.c.voucher_id == voucher_id)\n",
        "    of_voucher = and_(BUDGETS.c.voucher_id == voucher_id)\n",
        TWINS,
    ),
    Mutant(
        "the batch does not lock the budgets",
        "All discounts of a voucher together take at most its budget.",
        BUDGETS,
        "return cls(lock_budgets(session, keys=keys) if keys else {})",
        "return cls(find_budgets(session, keys=keys) if keys else {})",
        CAPS_AT_ONCE,
    ),
    Mutant(
        "a reversal does not lock the budgets",
        "Two transactions change the sum of a budget one after the other.",
        BUDGETS,
        "        lock_budgets(session, keys=spent)\n",
        "",
        ("tests/database/test_lock_order.py", "tests/invoices/test_reverse_budgets.py"),
    ),
    Mutant(
        "a discount's budget does not shrink within a batch",
        "All invoices of a batch together take at most the budget.",
        "tasks/invoices/granted_discounts.py",
        "            self.budget_left_minor[currency] -= applied.amount_minor\n",
        "            pass\n",
        ("tests/invoices/test_apply_caps.py",),
    ),
    Mutant(
        "a discount's allowance does not shrink within a batch",
        "All invoices of a cycle share its allowance.",
        "tasks/invoices/granted_discounts.py",
        "        taken[currency] = taken.get(currency, 0) + applied.amount_minor\n",
        "",
        ("tests/invoices/test_apply_periods.py", "tests/invoices"),
    ),
    Mutant(
        "a balance does not shrink within a batch",
        "All invoices of a batch share a balance.",
        "tasks/invoices/granted_discounts.py",
        "self.taken_in_total_minor.get(currency, 0) + applied.amount_minor",
        "self.taken_in_total_minor.get(currency, 0)",
        ("tests/invoices/test_apply_carry_over.py", "tests/invoices"),
    ),
    Mutant(
        "given amounts are added in any order",
        "Two transactions that add to the same sums never deadlock.",
        "models/vouchers/given.py",
        "    rows = sorted((*key, amount) for key, amount in given.items())",
        "    rows = [(*key, amount) for key, amount in given.items()]",
        ("tests/database/test_lock_order.py",),
    ),
    Mutant(
        "a given amount replaces the sum",
        "The sum of given amounts is that of the ledger.",
        "models/vouchers/given.py",
        "GIVEN_AMOUNTS.c.amount_minor + _INSERT.excluded.amount_minor",
        "_INSERT.excluded.amount_minor",
        ("tests/vouchers/test_amounts.py",),
    ),
    Mutant(
        "given amounts of any project are told",
        "The amounts of a voucher are those of its project.",
        "models/vouchers/given.py",
        "FROM given_amounts WHERE project = :project AND",
        "FROM given_amounts WHERE",
        TWINS,
    ),
    Mutant(
        "budgets of any project are told",
        "The amounts of a voucher are those of its project.",
        "models/vouchers/given.py",
        "FROM budgets WHERE project = :project AND",
        "FROM budgets WHERE",
        TWINS,
    ),
    Mutant(
        "budgets are not refilled",
        "A void gives the budget back.",
        CARRY_OUT,
        "    if gives_back:\n        refill_budgets(",
        "    if not gives_back:\n        refill_budgets(",
        ("tests/invoices/test_reverse_budgets.py",),
    ),
]
