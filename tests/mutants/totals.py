"""Mutants of totals: the most that a discount gives over its life."""

from tests.mutants.mutant import Mutant

INVOICE = "domain/invoice.py"
TOTAL = "models/vouchers/total.py"
CARRY_OUT = "tasks/invoices/accepted_reversal.py"
IN_ALL = ("tests/invoices/test_maximum_in_all.py",)

MUTANTS = [
    Mutant(
        "a maximum in all limits nothing",
        "What a discount gives is never more than its maximum in all.",
        INVOICE,
        "    amount_minor = _limit_to_total(discount, amount_minor, currency=invoice.currency)\n",
        "",
        IN_ALL,
    ),
    Mutant(
        "a used-up maximum in all leaves the discount running",
        "A discount that has taken its maximum in all is over.",
        INVOICE,
        "        is_used_up=is_used_up(total_minor, taken_minor=taken_minor),",
        "        is_used_up=discount.is_balance and is_used_up(total_minor, taken_minor=taken_minor),",
        IN_ALL,
    ),
    Mutant(
        "a maximum in all allows currencies that it does not name",
        "A cap names its currencies.",
        INVOICE,
        "    if discount.total_minor is not None and currency not in discount.total_minor:\n        return False\n",
        "",
        IN_ALL,
    ),
    Mutant(
        "only balances have a total",
        "A maximum in all is counted over all cycles.",
        TOTAL,
        "return row.amounts_minor if row.carry_over else row.maximum_discount_in_all_minor",
        "return row.amounts_minor if row.carry_over else None",
        IN_ALL,
    ),
    Mutant(
        "only balances have a total in queries",
        "A used-up discount elsewhere is not offered to be moved, and a forecast ends with a maximum in all.",
        TOTAL,
        "THEN amounts_minor ELSE maximum_discount_in_all_minor END",
        "THEN amounts_minor END",
        (*IN_ALL, "tests/vouchers/test_forecast.py"),
    ),
    Mutant(
        "a discount forgets its maximum in all",
        "The terms are frozen in the discount.",
        "models/discounts/discount.py",
        """    "maximum_discount_minor",
    "maximum_discount_in_all_minor",
""",
        """    "maximum_discount_minor",
""",
        IN_ALL,
    ),
    Mutant(
        "an imported discount may have taken more than its maximum in all",
        "What was taken elsewhere counts for the total.",
        "tasks/discounts/begun.py",
        "            total_minor=total_minor_of(self.row),",
        "            total_minor=self.row.amounts_minor if self.row.carry_over else None,",
        IN_ALL,
    ),
    Mutant(
        "amounts of elsewhere may be in any currency",
        "A maximum in all names its currencies.",
        "tasks/discounts/import_batch.py",
        "total_minor=total_minor_of(row), caps=caps",
        "total_minor=None, caps=caps",
        IN_ALL,
    ),
    Mutant(
        "a refund does not refill a maximum in all",
        "What was given, net of what was given back, counts.",
        CARRY_OUT,
        "[each for each in rows if total_minor_of(each) is not None]",
        "[each for each in rows if each.carry_over]",
        IN_ALL,
    ),
    Mutant(
        "a credit does not let a maximum in all run again",
        "What was given, net of what was given back, counts.",
        "tasks/invoices/credits.py",
        "    return total_minor_of(row) is not None and row.status",
        "    return row.carry_over and row.status",
        IN_ALL,
    ),
]
