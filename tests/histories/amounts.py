"""The model of random histories: the amounts that vouchers show, as sums of the ledger."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.histories.discounting import Discount, Taken, given_by, named
from tests.histories.entities import Json, Reversal, Voucher


def amounts_of_voucher(
    voucher: Voucher, *, ledger: Sequence[tuple[Discount, Taken]], reversals: Iterable[tuple[Discount, Reversal]]
) -> Json:
    """Return what a voucher has given, and what is spent and left of its budget."""
    given = given_net(
        ledger=[each for each in ledger if each[0].voucher == voucher.id],
        reversals=[each for each in reversals if each[0].voucher == voucher.id],
    )
    if voucher.body.get("budget") is None:
        return {"given": given, "spent": None, "left": None}
    # A refund gives nothing back to a budget.
    budget = named(voucher.body["budget"])
    spent = {currency: given_by(voucher.granted, currency) for currency in budget}
    return {"given": given, "spent": spent, "left": {each: budget[each] - spent[each] for each in budget}}


def given_net(
    *, ledger: Sequence[tuple[Discount, Taken]], reversals: Sequence[tuple[Discount, Reversal]]
) -> dict[str, int]:
    """Return the sums of a ledger by currency, without the sums that are 0."""
    currencies = {(discount.id, taken.invoice): taken.currency for discount, taken in ledger}
    sums: Counter[str] = Counter()
    for _, taken in ledger:
        sums[taken.currency] += taken.amount
    for discount, reversal in reversals:
        sums[currencies[discount.id, reversal.invoice]] -= reversal.of(discount.id)
    return {currency: amount for currency, amount in sums.items() if amount}
