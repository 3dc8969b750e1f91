"""Mutants of reversals and credits."""

from tests.mutants.mutant import TWINS, Mutant

GIVEN = "models/invoices/given_back.py"
REVERSAL = "models/invoices/reversal.py"
REVERSE = "tasks/invoices/reverse.py"
CARRY_OUT = "tasks/invoices/accepted_reversal.py"
CREDITS = "tasks/invoices/credits.py"
REVERSING = ("tests/invoices/test_reverse.py",)
REVERSING_AT_ONCE = ("tests/invoices/test_reverse_concurrency.py", "tests/invoices/test_reverse_locks.py")
CREDITING = ("tests/invoices/test_credits.py", "tests/invoices/test_credits_concurrency.py")

MUTANTS = [
    Mutant(
        "an entry given back in another project is given back",
        "A reversal belongs to a project.",
        GIVEN,
        "_GIVES_ENTRY_BACK = and_(\n    USAGE_REVERSALS.c.project == USAGE_ENTRIES.c.project,\n",
        "_GIVES_ENTRY_BACK = and_(\n",
        TWINS,
    ),
    Mutant(
        "the answer to any project's reversal is given",
        "A reversal is one of an invoice of the project.",
        REVERSAL,
        "select(columns.answer).where(columns.project == project, columns.id == id)",
        "select(columns.answer).where(columns.id == id)",
        TWINS,
    ),
    Mutant(
        "credits of any project are those of a cycle",
        "A ledger belongs to a project.",
        GIVEN,
        "            USAGE_ENTRIES.c.project == USAGE_REVERSALS.c.project,\n"
        "            USAGE_ENTRIES.c.discount_id == USAGE_REVERSALS.c.discount_id,\n"
        "            USAGE_ENTRIES.c.invoice == USAGE_REVERSALS.c.invoice,\n"
        "        ),\n    )\n    .where(USAGE_REVERSALS",
        "            USAGE_ENTRIES.c.discount_id == USAGE_REVERSALS.c.discount_id,\n"
        "            USAGE_ENTRIES.c.invoice == USAGE_REVERSALS.c.invoice,\n"
        "        ),\n    )\n    .where(USAGE_REVERSALS",
        TWINS,
    ),
    Mutant(
        "a credit that was reversed in another project is over",
        "A credit belongs to a project.",
        "models/invoices/latest_reversal.py",
        "        _CREDIT_REVERSED.c.project == INVOICE_REVERSALS.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "a void does not find the same void",
        "An invoice is voided once, under any request id.",
        REVERSE,
        "    if same is not None:\n",
        "    if same is not None and same.kind == request.request_id:\n",
        REVERSING,
    ),
    Mutant(
        "a reversal does not lock the subscription",
        "Reversals of an invoice run one after the other.",
        REVERSE,
        "        beside={own, *subscriptions_of(session, credits_=credits_)},\n",
        "        beside={*subscriptions_of(session, credits_=credits_)},\n",
        REVERSING_AT_ONCE,
    ),
    Mutant(
        "a reversal does not lock the subscriptions of credits",
        "A credit and the reversal of its invoice run one after the other.",
        REVERSE,
        "        beside={own, *subscriptions_of(session, credits_=credits_)},\n",
        "        beside={own},\n",
        ("tests/invoices/test_reverse_credits.py", *CREDITING),
    ),
    Mutant(
        "a reversal does not look whether a discount was moved",
        "A discount runs again on the subscription that it is on now.",
        CARRY_OUT,
        "    check_not_moved([each for each in there if (each.project, each.id) in named], locked=locked)\n",
        "",
        ("tests/invoices/test_reverse_locks.py", "tests/discounts/test_change_concurrency.py"),
    ),
    Mutant(
        "a void does not look at the running discounts beside it",
        "A voucher runs once on a subscription, also after a void.",
        CARRY_OUT,
        "subscriptions=locked if may_run_again else ()",
        "subscriptions=()",
        ("tests/invoices/test_reverse_cycles.py", *REVERSING),
    ),
    Mutant(
        "rooms of any project are one",
        "A subscription is one of a project, also of the same name in a batch of two projects.",
        "tasks/discounts/room.py",
        "running, held = self.running[place.subscription], ",
        "running = [each for key, all_ in self.running.items() if key[1] == place.subscription[1] for each in all_]\n"
        "        held = ",
        TWINS,
    ),
    Mutant(
        "a credited invoice is not read again",
        "A credit of an invoice that was stored during the wait is decided on that invoice.",
        CREDITS,
        "        if any(first_answers.knows(each) for each in self._wanted if each not in self._invoices):\n",
        "        if self._wanted and not first_answers:\n",
        ("tests/invoices/test_credits_concurrency.py",),
    ),
    Mutant(
        "the credits of a batch are not counted",
        "A line is credited at most in full, also within a batch.",
        CREDITS,
        "            self._invoices[key] = replace(self._invoices[key], lines=changed)\n",
        "            pass\n",
        CREDITING,
    ),
    Mutant(
        "credits of invoices that were given back are reversed",
        "What was given back is not taken again.",
        "tasks/invoices/reversed_credits.py",
        "    return [each for each in credits_ if each.credited not in given_back]",
        "    return list(credits_)",
        ("tests/invoices/test_reverse_credits.py",),
    ),
    Mutant(
        "a customer's place is returned twice",
        "A place is returned once.",
        "models/redemptions/returned_place.py",
        "    ON CONFLICT DO NOTHING\n",
        "",
        ("tests/invoices/test_reverse_places.py", "tests/invoices/test_reverse_refunds.py"),
    ),
    Mutant(
        "a customer's place is returned for another project",
        "A place belongs to a project.",
        "models/redemptions/returned_place.py",
        "        WHERE project = keys.project AND id = keys.id AND NOT carry_over\n",
        "        WHERE id = keys.id AND NOT carry_over\n",
        TWINS,
    ),
    Mutant(
        "purchases of any project were refunded",
        "A refund belongs to a project.",
        "models/redemptions/returned_place.py",
        "        WHERE usage_entries.project = keys.project AND usage_entries.discount_id = keys.id\n",
        "        WHERE usage_entries.discount_id = keys.id\n",
        TWINS,
    ),
]
