"""The pattern of generated codes: the number of codes, and whether they are hard to guess."""

import math

import pytest

from domain.code_pattern import ALPHABET, LENGTH, CodePattern


def pattern(alphabet: str = ALPHABET, length: int = LENGTH) -> CodePattern:
    """Return a pattern without a prefix, because a prefix makes a code no harder to guess."""
    return CodePattern(prefix="", alphabet=alphabet, length=length)


def test_the_default_has_no_look_alikes_and_65_bits():
    """The alphabet has neither 0 and O nor 1 and I."""
    assert not set("01OI") & set(ALPHABET)
    assert len(set(ALPHABET.lower())) == len(ALPHABET) == 32
    assert math.log2(pattern().possible) == 65


@pytest.mark.parametrize(
    ("alphabet", "length", "safe"), [(ALPHABET, 12, True), (ALPHABET, 11, False), ("01", 60, True), ("01", 59, False)]
)
def test_codes_for_one_use_need_60_bits(alphabet, length, safe):
    """With 60 bits a pattern is safe, with any alphabet."""
    assert pattern(alphabet, length).is_safe_for_single_use() is safe


@pytest.mark.parametrize(
    ("count", "taken", "can"),
    [(500, 0, True), (501, 0, False), (250, 50, True), (251, 50, False), (1, 99, True), (1, 100, False)],
)
def test_a_pattern_yields_half_of_what_is_free(count, taken, can):
    """The pattern has a thousand codes, and `taken` of a sample of a hundred are taken."""
    assert pattern("0123456789", 3).can_yield(count, taken_in_sample=taken, sample_size=100) is can
