"""Amounts of money as a person types them: `10000 USD`, in minor units."""

import re
from typing import Any

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode

TYPED = re.compile(r"(\d+) ?([A-Za-z]{3})", re.ASCII)


def read_amount(text: str | None, *, option: str, as_json: bool = False) -> dict[str, Any] | None:
    """Return the amount of a request, or end the command if the text of the option is none."""
    if text is None:
        return None
    found = TYPED.fullmatch(text.strip())
    if found is None:
        raise ended(ExitCode.INVALID, f"{option} must be as in '10000 USD'", as_json=as_json)
    amount, currency = found.groups()
    return {"amount": int(amount), "currency": currency}
