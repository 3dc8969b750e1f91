"""Amounts as people read them, with the decimals of ISO 4217."""

import pytest

from domain.currency import decimals_of, money_text


@pytest.mark.parametrize(
    ("amount_minor", "currency", "expected"),
    [
        (0, "USD", "USD 0.00"),
        (5, "EUR", "EUR 0.05"),
        (-5, "EUR", "EUR -0.05"),
        (123_456_789, "USD", "USD 1,234,567.89"),
        (-100, "USD", "USD -1.00"),
        (500, "JPY", "JPY 500"),
        (1_234, "KWD", "KWD 1.234"),
        (12_345, "CLF", "CLF 1.2345"),
        (999_999_999_999, "VND", "VND 999,999,999,999"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount_minor, currency, expected):
    """The currency stands first, and the sign before the number."""
    assert money_text(amount_minor, currency=currency) == expected


def test_most_currencies_have_two_decimals():
    """The others are named."""
    assert [decimals_of(each) for each in ("USD", "CHF", "ISK", "BHD", "UYW")] == [2, 2, 0, 3, 4]
