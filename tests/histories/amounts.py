"""The model of random histories: the amounts that vouchers show, as sums of the ledger."""

from collections import Counter
from collections.abc import Iterable

from tests.histories.discounting import given_by, named
from tests.histories.entities import Entry, Json, Voucher


def amounts_of_voucher(voucher: Voucher, *, entries: Iterable[Entry]) -> Json:
    """Return what a voucher has given, and what is spent and left of its budget."""
    given = given_net(each for each in entries if each.discount.voucher == voucher.id)
    if voucher.body.get("budget") is None:
        return {"given": given, "spent": None, "left": None}
    # A refund or a credit gives nothing back to a budget.
    budget = named(voucher.body["budget"])
    spent = {currency: given_by(voucher.granted, currency) for currency in budget}
    return {"given": given, "spent": spent, "left": {each: budget[each] - spent[each] for each in budget}}


def given_net(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the sums of a ledger by currency, without the sums that are 0."""
    sums: Counter[str] = Counter()
    for each in entries:
        sums[each.currency] += each.amount
    return {currency: amount for currency, amount in sums.items() if amount}
