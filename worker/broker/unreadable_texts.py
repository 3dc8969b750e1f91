"""The texts on Redis and Valkey that workers set aside because they are no messages, for an operator.

They are named by their SHA-1, because their positions change with each text that is set aside. Their bodies stay on the
server until one is shown.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kombu import Connection

from worker.broker.fetch_script import SET_ASIDE_KEY

# Texts that the server hashes in a round trip, which blocks it meanwhile.
HASHED_TOGETHER = 100
# Return the SHA-1 and the length of each text of a part of the list.
_DESCRIBE = """
local told = {}
for _, text in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
    told[#told + 1] = {redis.sha1hex(text), #text}
end
return told
"""
# Return the first text of the part that has the SHA-1. If the third argument is 1, it is removed from the list.
_FIND = """
for _, text in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
    if redis.sha1hex(text) == ARGV[3] then
        if ARGV[4] == '1' then redis.call('LREM', KEYS[1], 1, text) end
        return text
    end
end
return false
"""


class UnreadableText(NamedTuple):
    """A text that is no message: its SHA-1 in hexadecimal, and its length in bytes."""

    sha1: str
    length: int


class UnreadableTexts:
    """The list of the texts, latest first, on the server of an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._channel: Any = connection.channel()

    def __len__(self) -> int:
        """Return the number of texts."""
        with self._channel.conn_or_acquire() as client:
            return int(client.llen(SET_ASIDE_KEY))

    def __iter__(self) -> Iterator[UnreadableText]:
        """Yield each text, latest first. A text that is set aside meanwhile may make one appear twice."""
        start = 0
        while found := self._run(_DESCRIBE, start):
            for sha1, length in found:
                yield UnreadableText(sha1=sha1.decode(), length=length)
            start += HASHED_TOGETHER

    def text(self, sha1: str) -> bytes | None:
        """Return the text with that SHA-1, or None."""
        return self._find(sha1, is_removed=False)

    def discard(self, sha1: str) -> bool:
        """Remove one text with that SHA-1 for ever, and return whether there was one."""
        return self._find(sha1, is_removed=True) is not None

    def _find(self, sha1: str, *, is_removed: bool) -> bytes | None:
        for start in range(0, len(self), HASHED_TOGETHER):
            text: bytes | None = self._run(_FIND, start, sha1, int(is_removed))
            if text is not None:
                return text
        return None

    def _run(self, script: str, start: int, *arguments: str | int) -> Any:
        with self._channel.conn_or_acquire() as client:
            return client.eval(script, 1, SET_ASIDE_KEY, start, start + HASHED_TOGETHER - 1, *arguments)
