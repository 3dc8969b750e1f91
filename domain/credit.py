"""Credit lines: an invoice gives back a part of an earlier one, with the share of the discount that this part got."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from domain.reversal import GIVING_BACK, BilledLine


class CreditKind(StrEnum):
    """How an invoice with credit lines changes the discounts of the credited invoice."""

    CREDITED = "credited"
    # The crediting invoice was voided, not paid or charged back, so the credit is taken back.
    CREDIT_REVERSED = "credit_reversed"


class CreditRefusal(StrEnum):
    """The reasons for refusing a credit line, in order of precedence: the first that is true is the answer."""

    INVOICE_NOT_FOUND = "invoice_not_found"
    CURRENCY_MISMATCH = "currency_mismatch"
    ALREADY_REVERSED = "already_reversed"
    LINE_NOT_FOUND = "line_not_found"
    AMOUNT_EXCEEDS_LINE = "amount_exceeds_line"


def judge_credit(
    amount_minor: int,
    *,
    line: str,
    currency: str,
    lines: Mapping[str, BilledLine],
    billed_in: str,
    earlier: Collection[str],
) -> CreditRefusal | None:
    """Return the first reason to refuse a credit of a line of a known invoice, or None.

    `amount_minor` is positive, in minor units of `currency`. `earlier` has the kinds of the invoice's reversals.
    """
    if currency != billed_in:
        return CreditRefusal.CURRENCY_MISMATCH
    if not GIVING_BACK.isdisjoint(earlier):
        return CreditRefusal.ALREADY_REVERSED
    if line not in lines:
        return CreditRefusal.LINE_NOT_FOUND
    if amount_minor > lines[line].left_minor():
        return CreditRefusal.AMOUNT_EXCEEDS_LINE
    return None
