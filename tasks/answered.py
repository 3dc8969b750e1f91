"""One answer for each of the callers' ids, for ever: what was stored for them, and what a batch has decided since."""

from collections.abc import Callable, Mapping

from tasks.wire import Answer

# The project and the caller's own id.
CallerKey = tuple[str, str]


class Answered:
    """The answers of a batch with the fingerprints of the bodies that they belong to, by the caller's id."""

    def __init__(self, stored: Mapping[CallerKey, tuple[bytes, Answer]]) -> None:
        self._by_key = dict(stored)

    def replay(self, key: CallerKey, *, fingerprint: bytes, conflict: Callable[[], Answer]) -> Answer | None:
        """This method will return what this body was answered before, a conflict for another body, or None."""
        known = self._by_key.get(key)
        if known is None:
            return None
        return known[1] if known[0] == fingerprint else conflict()

    def add(self, key: CallerKey, *, fingerprint: bytes, answer: Answer) -> None:
        """This method will keep the first answer for an id."""
        self._by_key[key] = (fingerprint, answer)
