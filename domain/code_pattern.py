"""What generated codes look like, and how hard they are to guess."""

from domain.value import value

# Without the look-alikes 0 and O, 1 and I: what is left is 32 characters, 5 bits each.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 13
# A code for one use is as good as money: nobody finds one of a million by trying 2^40 times.
SINGLE_USE_BITS_MIN = 60
# At least every second drawing finds a code that is new, up to the last one.
POSSIBLE_PER_CODE_MIN = 2


@value
class CodePattern:
    """A prefix, then `length` characters of the alphabet, which differ without regard to case."""

    prefix: str
    alphabet: str
    length: int

    @property
    def possible(self) -> int:
        """This method will return how many codes there are of this pattern."""
        count: int = len(self.alphabet) ** self.length
        return count

    def is_safe_for_single_use(self) -> bool:
        """This method will say whether a code holds at least 60 bits."""
        return self.possible >= 1 << SINGLE_USE_BITS_MIN

    def can_yield(self, count: int, *, taken: int, of: int) -> bool:
        """This method will say whether enough codes are free, where `taken` of a sample of the pattern are not."""
        return self.possible * (of - taken) >= POSSIBLE_PER_CODE_MIN * count * of
