"""Draw random codes from a source that is safe for secrets."""

import secrets

from domain.code_pattern import CodePattern

BYTE_VALUES = 256


def draw_codes(pattern: CodePattern, *, count: int) -> list[str]:
    """Return at most `count` codes of a pattern, all different without regard to case.

    Each character is equally likely. The result has fewer codes if any was drawn twice.
    """
    characters = _draw_characters(pattern.alphabet, count=count * pattern.length)
    starts = range(0, len(characters), pattern.length)
    drawn = [pattern.prefix + characters[start : start + pattern.length] for start in starts]
    return list({code.lower(): code for code in drawn}.values())


def _draw_characters(alphabet: str, *, count: int) -> str:
    size = len(alphabet)
    # Bytes from the largest multiple of `size` on are drawn again. Otherwise the first characters of the alphabet would
    # be more likely.
    fair = BYTE_VALUES - BYTE_VALUES % size
    of_byte = bytes(ord(alphabet[value % size]) for value in range(BYTE_VALUES))
    unfair = bytes(range(fair, BYTE_VALUES))
    drawn = b""
    while len(drawn) < count:
        drawn += secrets.token_bytes(count - len(drawn)).translate(of_byte, unfair)
    return drawn.decode()
