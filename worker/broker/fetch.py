"""Taking messages from Redis: one script moves them from their queues to the unacknowledged ones, or leaves them.

kombu pops a message and notes it as unacknowledged in a second round trip; a worker that dies in between loses it.
Here the server does both at once, for as many messages as the worker has room for, in kombu's own format.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, NamedTuple

# Redis answers nobody else while the script runs: so many small messages fetch it a few milliseconds.
FETCH_COUNT_MAX = 1_000
# Messages of more than this come one by one.
FETCH_BYTES_MAX = 2**20
# Where texts are put that are no message at all. Nobody can run them; an operator may look.
SET_ASIDE_KEY = "unreadable"
# What reading such a text raises, kombu's own objects in it among others.
UNREADABLE = (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)

# The lists are looked at in groups of `width`, one for each priority, and fetch turns in their group.
# A text stays as it is: encoding it again would change numbers and empty lists. It leaves its list last, so that a
# script which fails has changed nothing. The first call changes nothing either: after a call that could free memory
# a full server lets the script go on, or it could never be emptied. Half of a character pair, which Python sends and
# reads, is more than the server's parser takes: for reading, and only then, it is replaced.
SCRIPT = """
local unacked, index, aside = KEYS[1], KEYS[2], KEYS[3]
local now, count_max, bytes_max, width = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local fetched, noted, scores, unreadable, seen = {}, {}, {}, {}, {}
local bytes, full = 0, false

local function routing(text)
    local readable, message = pcall(cjson.decode, text)
    if not readable then
        readable, message = pcall(cjson.decode, (text:gsub('\\\\u[dD][89a-fA-F]%x%x', '\\\\u0020')))
    end
    if not readable or type(message) ~= 'table' or type(message.properties) ~= 'table' then return end
    local tag, info = message.properties.delivery_tag, message.properties.delivery_info
    if type(tag) ~= 'string' or type(info) ~= 'table' then return end
    if type(info.exchange) ~= 'string' or type(info.routing_key) ~= 'string' then return end
    return tag, info.exchange, info.routing_key
end

local function look_at(list)
    local text = redis.call('LINDEX', KEYS[list], -1 - (seen[list] or 0))
    if not text then return false end
    if bytes > 0 and bytes + #text > bytes_max then
        full = true
        return true
    end
    bytes = bytes + #text
    seen[list] = (seen[list] or 0) + 1
    local tag, exchange, routing_key = routing(text)
    if tag then
        noted[#noted + 1] = tag
        noted[#noted + 1] = '[' .. text .. ', ' .. cjson.encode(exchange) .. ', ' .. cjson.encode(routing_key) .. ']'
        scores[#scores + 1] = now
        scores[#scores + 1] = tag
        fetched[#fetched + 1] = list - 4
        fetched[#fetched + 1] = tag
        fetched[#fetched + 1] = text
    else
        unreadable[#unreadable + 1] = text
    end
    full = #noted / 2 + #unreadable >= count_max
    return true
end

for first = 4, #KEYS, width do
    local exhausted, open = {}, width
    while open > 0 and not full do
        for list = first, first + width - 1 do
            if not full and not exhausted[list] and not look_at(list) then
                exhausted[list] = true
                open = open - 1
            end
        end
    end
end

if bytes > 0 then
    redis.call('ZREM', index, '')
    if #noted > 0 then
        redis.call('HSET', unacked, unpack(noted))
        redis.call('ZADD', index, unpack(scores))
    end
    if #unreadable > 0 then redis.call('LPUSH', aside, unpack(unreadable)) end
    for list, count in pairs(seen) do redis.call('LTRIM', KEYS[list], 0, -1 - count) end
end
return {#unreadable, fetched, full and 0 or 1}
"""
SCRIPT_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class FetchedMessage(NamedTuple):
    """A message that is noted as unacknowledged: the queue that it came from, its delivery tag, and its own text."""

    queue: str
    tag: str
    text: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRequest:
    """What to fetch: from these queues, with their lists in the order of preference, and no more than that."""

    queues: Sequence[str]
    lists: Sequence[str]
    width: int
    count_max: int
    bytes_max: int

    def command(self, *, name: Callable[[str], str], noted_in: Sequence[str], now: float, known: bool) -> list[Any]:
        """This method will return the command. `known` says that the server has the script; `name` prefixes a key."""
        keys = [name(key) for key in (*noted_in, SET_ASIDE_KEY, *self.lists)]
        script = ("EVALSHA", SCRIPT_SHA) if known else ("EVAL", SCRIPT)
        return [*script, len(keys), *keys, repr(now), self.count_max, self.bytes_max, self.width]

    def read(self, reply: Sequence[Any]) -> "FetchReply":
        """This method will make values of the script's answer."""
        unreadable, fetched, was_all = reply
        return FetchReply(unreadable=unreadable, messages=list(self._messages(fetched)), was_all=bool(was_all))

    def _messages(self, fetched: Sequence[Any]) -> Iterator[FetchedMessage]:
        for position, tag, text in zip(fetched[::3], fetched[1::3], fetched[2::3], strict=True):
            yield FetchedMessage(queue=self.queues[position % len(self.queues)], tag=tag.decode(), text=text)


class FetchReply(NamedTuple):
    """The messages that a script took, how many texts it put aside, and whether that was all there was."""

    unreadable: int
    messages: list[FetchedMessage]
    was_all: bool
