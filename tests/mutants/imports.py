"""Mutants of imported discounts: their places, their cycles, their amounts and their references."""

from tests.mutants.mutant import TWINS, Mutant

BATCH = "tasks/discounts/import_batch.py"
PLACES = "tasks/discounts/imported_places.py"
IMPORTED = "models/discounts/imported.py"
ONE = ("tests/discounts/test_import.py",)
MANY = ("tests/discounts/test_import_many.py",)

MUTANTS = [
    Mutant(
        "the batch's own imported places are not counted",
        "An imported place is matched once.",
        PLACES,
        "            self.matched += 1\n",
        "",
        (*MANY, *ONE),
    ),
    Mutant(
        "matched places are forgotten",
        "An imported place is matched once, by whatever batch.",
        BATCH,
        "matched=[(*key, each.matched) for key, each in self.places.items() if each.matched]",
        "matched=[]",
        ONE,
    ),
    Mutant(
        "a retired voucher has no imported place",
        "A discount of a full coupon runs on.",
        PLACES,
        "        if self.has_imported_place():\n            return None\n",
        "",
        ONE,
    ),
    Mutant(
        "the amounts of elsewhere are not spent",
        "A budget counts what was taken elsewhere.",
        BATCH,
        "                self.spent[row.project, row.voucher_id, currency] += amount\n",
        "",
        ONE,
    ),
    Mutant(
        "each amount of a batch finds the whole budget",
        "A budget is never overspent by a batch of imports.",
        BATCH,
        "                self.budgets_left[row.project, row.voucher_id][currency] -= amount\n",
        "",
        MANY,
    ),
    Mutant(
        "a discount of the batch takes no room",
        "A voucher runs once on a subscription.",
        BATCH,
        "            self.room.take(place_of(row))\n",
        "            pass\n",
        MANY,
    ),
    Mutant(
        "a void takes the cycles of elsewhere away",
        "A reversal gives back what was had here.",
        "tasks/invoices/states_afterwards.py",
        "cycles=cycles, elsewhere=elsewhere)",
        "cycles=cycles)",
        ONE,
    ),
    Mutant(
        "a cycle of elsewhere is a new one",
        "A cycle that another system discounted counts once.",
        "domain/invoice.py",
        "not self.taken_minor and not self.was_discounted_elsewhere",
        "not self.taken_minor",
        ONE,
    ),
    Mutant(
        "a cycle of elsewhere has its whole amount left",
        "A fixed amount is given once in a cycle, wherever.",
        "domain/invoice.py",
        "            if discount.was_discounted_elsewhere:\n                return 0\n",
        "",
        ONE,
    ),
    Mutant(
        "a cycle of elsewhere is counted again after a void",
        "The progress after a void is what an audit computes.",
        "domain/reversal.py",
        " and not is_within_cycles(cycle.start, progress=elsewhere)",
        "",
        ONE,
    ),
    Mutant(
        "the amounts of elsewhere are those of any project",
        "A balance belongs to a project.",
        "models/invoices/taken.py",
        "IMPORTED_DISCOUNTS.c.project == _KEYS.c.project, ",
        "",
        TWINS,
    ),
    Mutant(
        "what was imported is found in any project",
        "A discount had its cycles in a project.",
        IMPORTED,
        "IMPORTED_DISCOUNTS.c.project == _KEYS.c.project, ",
        "",
        TWINS,
    ),
    Mutant(
        "whoever redeemed under the id of a reference blocks the import for ever",
        "A request id that another request has used is a conflict.",
        BATCH,
        "        answers[project, refs[project, request_id]] = (redemption.fingerprint, answer)\n",
        "        if row:\n            answers[project, refs[project, request_id]] = (redemption.fingerprint, answer)\n",
        ONE,
    ),
]
