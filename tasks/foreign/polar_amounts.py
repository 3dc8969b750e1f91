"""The amounts of a fixed discount of Polar, one for each currency, and the price that is the same here.

Polar writes amounts with Stripe's decimals. Source: `get_currency_decimal_factor` in
https://github.com/polarsource/polar/blob/main/server/polar/kit/currency.py.
"""

from collections.abc import Mapping
from typing import Any

from tasks.foreign.stripe_amounts import NoSuchAmountError, amount_here, amount_there
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest

# The default of Polar's `currency`.
USUAL_CURRENCY = "USD"


def price_of(given: Mapping[str, Any], *, price: Answer | None = None) -> Answer:
    """Return the price of the fields that were sent, each of which may stay as in the price so far.

    `amounts` replaces all amounts. Its own currency is that of the price so far or USD, or else the first, as in
    Polar's answers. `amount` and `currency` leave the amounts in other currencies.

    Raises InvalidRequest for an amount that no amount here equals.
    """
    usual = USUAL_CURRENCY if price is None else price["currency"]
    if (amounts := given.get("amounts")) is not None:
        return _priced(_here(amounts), own=usual if usual in amounts else min(amounts))
    currency = given.get("currency") or usual
    so_far = {} if price is None else {price["currency"]: price["amount"], **price["currencyOptions"]}
    others = {name: amount for name, amount in so_far.items() if name != usual}
    amount = given.get("amount")
    if amount is None:
        amount = amount_there(so_far[usual], currency=usual)
    own = _here({currency: amount}, field="amount")
    return _priced({**others, **own}, own=currency)


def amounts_of(price: Answer) -> dict[str, int]:
    """Return the amounts of a price as Polar writes them, with currencies in lower case."""
    amounts = {price["currency"]: price["amount"], **price["currencyOptions"]}
    return {name.lower(): amount_there(amount, currency=name) for name, amount in sorted(amounts.items())}


def _priced(amounts: Mapping[str, int], *, own: str) -> Answer:
    others = {name: amount for name, amount in amounts.items() if name != own}
    return {"amount": amounts[own], "currency": own, "currencyOptions": others}


def _here(amounts: Mapping[str, int], *, field: str | None = None) -> dict[str, int]:
    here, errors = dict[str, int](), list[dict[str, str]]()
    for currency, amount in amounts.items():
        try:
            here[currency] = amount_here(amount, currency=currency)
        except NoSuchAmountError as error:
            errors.append({"field": field or f"amounts.{currency.lower()}", "message": str(error)})
    if errors:
        raise InvalidRequest(errors)
    return here
