"""The pattern of generated codes, and how hard a code is to guess."""

from domain.value_class import value

# Without the look-alikes 0 and O, 1 and I, 32 characters are left, 5 bits each.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 13
# A code for one use is as good as money. If a million of them are available, about 1 guess in 2^40 finds a code.
SINGLE_USE_BITS_MIN = 60
# At least half of the codes that are free for a generation are still free when its last code is drawn.
POSSIBLE_PER_CODE_MIN = 2


@value
class CodePattern:
    """A prefix, then `length` characters of an alphabet. The characters differ also without regard to case."""

    prefix: str
    alphabet: str
    length: int

    @property
    def possible(self) -> int:
        """The number of codes that fit the pattern."""
        count: int = len(self.alphabet) ** self.length
        return count

    def is_safe_for_single_use(self) -> bool:
        """Return whether a code has at least 60 bits."""
        return self.possible >= 1 << SINGLE_USE_BITS_MIN

    def can_yield(self, count: int, *, taken_in_sample: int, sample_size: int) -> bool:
        """Return whether twice as many codes are free as are wanted, judged by a sample of the pattern."""
        return self.possible * (sample_size - taken_in_sample) >= POSSIBLE_PER_CODE_MIN * count * sample_size
