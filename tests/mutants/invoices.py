"""Mutants of applying discounts to invoices."""

from tests.mutants.mutant import TWINS, Mutant

BATCH = "tasks/invoices/batch.py"
LEDGER = "models/invoices/ledger.py"
GIVEN = "models/invoices/given_back.py"
TAKEN = "models/invoices/taken.py"
APPLYING = ("tests/invoices/test_apply.py",)

MUTANTS = [
    Mutant(
        "entries of any project are found",
        "A ledger entry belongs to a project.",
        LEDGER,
        "        USAGE_ENTRIES.c.project == _ENTRIES.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "invoices are inserted in any order",
        "Two batches with the same invoices never deadlock.",
        LEDGER,
        'in_order = sorted(rows, key=itemgetter("project", "invoice"))',
        "in_order = list(rows)",
        ("tests/database/test_lock_order.py",),
    ),
    Mutant(
        "the first answers to invoices are read before the locks",
        "No invoice is discounted twice, and each copy gets the first answer.",
        BATCH,
        "        discounts, credits_ = lock_discounts(session, invoices)\n"
        "        first_answers = _read_first_answers(session, invoices)\n",
        "        first_answers = _read_first_answers(session, invoices)\n"
        "        discounts, credits_ = lock_discounts(session, invoices)\n",
        ("tests/invoices/test_first_answers.py",),
    ),
    Mutant(
        "an invoice is not compared with its first body",
        "Another body under the id of an invoice is a conflict.",
        BATCH,
        "        fingerprint = invoice.fingerprint()\n        answer = self._first_answers",
        '        fingerprint = b""\n        answer = self._first_answers',
        APPLYING,
    ),
    Mutant(
        "an invoice is discounted twice within a batch",
        "No invoice is discounted twice.",
        BATCH,
        "        self._first_answers.add(key, fingerprint=fingerprint, answer=answer)\n",
        "",
        APPLYING,
    ),
    Mutant(
        "discounts of any project take part",
        "An invoice is discounted by its project's discounts.",
        BATCH,
        "self._granted[row.project, row.subscription].append(granted)",
        'self._granted["gigs", row.subscription].append(granted)',
        TWINS,
    ),
    Mutant(
        "amounts of any project were taken in a cycle",
        "An allowance belongs to a project.",
        TAKEN,
        "            USAGE_ENTRIES.c.project == _CYCLES.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "amounts of any project were taken in total",
        "A balance belongs to a project.",
        TAKEN,
        ".where(table.c.project == _KEYS.c.project, table.c.discount_id == _KEYS.c.discount_id)",
        ".where(table.c.discount_id == _KEYS.c.discount_id)",
        TWINS,
    ),
    Mutant(
        "entries of any project remain",
        "A ledger entry belongs to a project.",
        GIVEN,
        "USAGE_ENTRIES.c.project == _DISCOUNTS.c.project, USAGE_ENTRIES.c.discount_id == _DISCOUNTS.c.discount_id)\n"
        "    .where(~",
        "USAGE_ENTRIES.c.discount_id == _DISCOUNTS.c.discount_id)\n    .where(~",
        TWINS,
    ),
    Mutant(
        "credits of any project's entries are summed",
        "A credit belongs to a project.",
        GIVEN,
        "            USAGE_ENTRIES.c.project == USAGE_REVERSALS.c.project,\n"
        "            USAGE_ENTRIES.c.discount_id == USAGE_REVERSALS.c.discount_id,\n",
        "            USAGE_ENTRIES.c.discount_id == USAGE_REVERSALS.c.discount_id,\n",
        TWINS,
    ),
    Mutant(
        "cycles of any project are discounted",
        "A cycle belongs to a project's discount.",
        "models/invoices/discounted_cycles.py",
        ".where(USAGE_ENTRIES.c.project == _PLACED.c.project, USAGE_ENTRIES.c.discount_id == _PLACED.c.discount_id)",
        ".where(USAGE_ENTRIES.c.discount_id == _PLACED.c.discount_id)",
        TWINS,
    ),
]
