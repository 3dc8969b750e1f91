"""The amounts of Stripe in our minor units, which are those of ISO 4217. Some currencies have other decimals there.

Source: https://docs.stripe.com/currencies: "Zero-decimal currencies", "Special cases" and, in its earlier versions,
"Three-decimal currencies". ISK and UGX are written with two decimals, which are always 00, although UGX is also on the
list of zero-decimal currencies. HUF and TWD are special in payouts only.
"""

from domain.currency import decimals_of
from domain.money import divide_half_up
from tasks.wire.fields import AMOUNT_MINOR_MAX

_DECIMALS = {
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF"),
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}
# "Currencies are two-decimal currencies unless otherwise specified."
_DECIMALS_USUAL = 2


class NoSuchAmountError(ValueError):
    """No amount here is the same sum of money. The text says why."""


def amount_here(amount: int, *, currency: str) -> int:
    """Return the same sum of money in minor units by ISO 4217. `currency` is in upper case.

    Raises NoSuchAmountError if it is no whole number of them, or more than an amount can be.
    """
    shift = decimals_of(currency) - _DECIMALS.get(currency, _DECIMALS_USUAL)
    factor: int = 10 ** abs(shift)
    if shift >= 0:
        return _bounded(amount * factor)
    here, rest = divmod(amount, factor)
    if rest:
        raise NoSuchAmountError(f"must be divisible by {factor}: {currency} has fewer decimals here")
    return here


def amount_there(amount: int, *, currency: str) -> int:
    """Return an amount in minor units by ISO 4217 as Stripe writes it, halves up. `currency` is in upper case."""
    shift = decimals_of(currency) - _DECIMALS.get(currency, _DECIMALS_USUAL)
    factor: int = 10 ** abs(shift)
    return amount * factor if shift < 0 else divide_half_up(amount, factor)


def _bounded(amount: int) -> int:
    if amount > AMOUNT_MINOR_MAX:
        raise NoSuchAmountError(f"must be at most {AMOUNT_MINOR_MAX} in minor units of ISO 4217")
    return amount
