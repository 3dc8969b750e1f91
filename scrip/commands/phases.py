"""Phases of a voucher as a person types and reads them: `50% for 3 months`, `500 USD for 9 cycles`."""

import re
from typing import Any

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode

TYPED = re.compile(r"(?:(\d+(?:\.\d+)?) ?%|(\d+) ?([A-Za-z]{3})) for (\d+) (month|cycle)s?", re.ASCII)


def read_phases(texts: list[str] | None, *, as_json: bool = False) -> list[dict[str, Any]] | None:
    """Return the phases of a request, or end the command with the first text that is none."""
    return [_phase(text, as_json=as_json) for text in texts] if texts else None


def discount_text(terms: Any) -> str:
    """Return what a voucher or a phase takes off, and of a voucher in phases what each of them does."""
    phases = terms.get("recurrence", {}).get("phases")
    if phases:
        return ", then ".join(map(discount_text, phases))
    amount = terms["priceDiscount"]
    return f"{amount['amount']} {amount['currency']}" if amount else f"{terms['priceDiscountPercentage']} %"


def _phase(text: str, *, as_json: bool) -> dict[str, Any]:
    found = TYPED.fullmatch(text.strip())
    if found is None:
        example = "must be as in '50% for 3 months' or '500 USD for 9 cycles'"
        raise ended(ExitCode.INVALID, f"--phase {example}", as_json=as_json)
    percentage, amount, currency, length, unit = found.groups()
    price: dict[str, Any] = {"priceDiscountPercentage": percentage and float(percentage)}
    if percentage is None:
        price = {"priceDiscount": {"amount": int(amount), "currency": currency}}
    return {**price, f"durationIn{unit.capitalize()}s": int(length)}
