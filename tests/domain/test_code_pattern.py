"""The pattern of generated codes: how many there are, and whether they are safe."""

import math

import pytest

from domain.code_pattern import ALPHABET, LENGTH, CodePattern


def pattern(alphabet: str = ALPHABET, length: int = LENGTH) -> CodePattern:
    """This function will return a pattern without a prefix, which adds nothing to guess."""
    return CodePattern(prefix="", alphabet=alphabet, length=length)


def test_the_default_has_no_look_alikes_and_65_bits():
    """Neither 0 and O nor 1 and I."""
    assert not set("01OI") & set(ALPHABET)
    assert len(set(ALPHABET.lower())) == len(ALPHABET) == 32
    assert math.log2(pattern().possible) == 65


@pytest.mark.parametrize(
    ("alphabet", "length", "safe"), [(ALPHABET, 12, True), (ALPHABET, 11, False), ("01", 60, True), ("01", 59, False)]
)
def test_codes_for_one_use_need_60_bits(alphabet, length, safe):
    """No fewer, and no more."""
    assert pattern(alphabet, length).is_safe_for_single_use() is safe


@pytest.mark.parametrize(
    ("count", "taken", "can"),
    [(500, 0, True), (501, 0, False), (250, 50, True), (251, 50, False), (1, 99, True), (1, 100, False)],
)
def test_a_pattern_yields_half_of_what_is_free(count, taken, can):
    """Of a thousand codes, of which so many in a hundred are taken."""
    assert pattern("0123456789", 3).can_yield(count, taken=taken, of=100) is can
