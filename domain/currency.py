"""Amounts of money as people read them, by the number of decimals that ISO 4217 gives a currency."""

# ISO 4217, list one. Every other currency has two decimals.
_DECIMALS = {
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"),
            *("XAF", "XOF", "XPF"),
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_DECIMALS_USUAL = 2


def decimals_of(currency: str) -> int:
    """Return the number of decimals of an ISO 4217 currency: its minor unit is that power of ten of the whole."""
    return _DECIMALS.get(currency, _DECIMALS_USUAL)


def money_text(amount_minor: int, *, currency: str) -> str:
    """Return an amount in minor units as text, such as `USD 1,234.50`, `JPY 500` or `USD -0.05`."""
    decimals = decimals_of(currency)
    whole, fraction = divmod(abs(amount_minor), 10**decimals)
    sign = "-" if amount_minor < 0 else ""
    return f"{currency} {sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
