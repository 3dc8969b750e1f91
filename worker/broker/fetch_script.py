"""The script that fetches messages from Redis, by moving them from their queues to the unacknowledged messages.

kombu pops a message and stores it as unacknowledged in a second round trip. If the worker dies in between, the message
is lost. Here the server does both in a single step, for as many messages as the worker may prefetch. The format is
kombu's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, NamedTuple

# The script blocks Redis for a few milliseconds if it fetches this many small messages.
FETCH_COUNT_MAX = 1_000
# A fetch ends before the message that would exceed this size. A larger message is fetched alone.
FETCH_BYTES_MAX = 2**20
# A text with more values than this is set aside: parsing it would block the server, and fill its memory.
VALUES_MAX = 1_000_000
# The list of texts that are not messages. They cannot run; an operator can inspect them.
SET_ASIDE_KEY = "unreadable"
# The newest texts are kept. Otherwise whoever writes to a queue could fill the server by what nobody will ever run.
SET_ASIDE_MAX = 1_000
# The errors that decoding such a text raises, including errors from kombu's own JSON types.
UNREADABLE = (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)

# A queue has a list for each priority. The script reads the lists in groups of `width`, in turns within a group.
#
# The text of a message is stored unchanged: encoding it again would change numbers and empty lists. Beside the text
# stands where kombu puts it back: in the queue from which it came, whatever exchange the sender named.
# Messages leave their lists last, so a script that fails has removed nothing.
# The first write is a ZREM that removes nothing. If the server's memory is full, it permits the writes that follow;
# otherwise workers could never empty such a server.
# A body in base64 stands in the text as it is. Another one may have escapes, which are counted as part of it.
# Python sends and reads half of a surrogate pair, but the server's JSON parser rejects such a text. The script then
# parses a copy without the half.
SCRIPT = """
local unacked, index, aside = KEYS[1], KEYS[2], KEYS[3]
local count_max, bytes_max, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local text_max, headers_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local values_max, aside_max, queues_from = tonumber(ARGV[6]), tonumber(ARGV[7]), 8
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local fetched, entries, scores, unreadable, seen = {}, {}, {}, {}, {}
local bytes, full, dropped = 0, false, 0

local function queue_of(list)
    return ARGV[queues_from + (list - 4) % (#ARGV - queues_from + 1)]
end

local function is_too_large(text)
    if #text > text_max then return true end
    if #text <= values_max then return false end
    local _, values = text:gsub('[,%[{]', '')
    return values > values_max
end

local function has_large_headers(text, message)
    if #text <= headers_max then return false end
    local body = type(message.body) == 'string' and #message.body or 0
    if message.properties.body_encoding ~= 'base64' then body = 2 * body end
    return #text - body > headers_max
end

local function tag_of(text)
    if is_too_large(text) then return end
    local readable, message = pcall(cjson.decode, text)
    if not readable then
        readable, message = pcall(cjson.decode, (text:gsub('\\\\u[dD][89a-fA-F]%x%x', '\\\\u0020')))
    end
    if not readable or type(message) ~= 'table' or type(message.properties) ~= 'table' then return end
    local tag, info = message.properties.delivery_tag, message.properties.delivery_info
    if type(tag) ~= 'string' or type(info) ~= 'table' or has_large_headers(text, message) then return end
    if type(info.exchange) ~= 'string' or type(info.routing_key) ~= 'string' then return end
    return tag
end

local function fetch_next(list)
    local text = redis.call('LINDEX', KEYS[list], -1 - (seen[list] or 0))
    if not text then return false end
    if bytes > 0 and bytes + #text > bytes_max then
        full = true
        return true
    end
    bytes = bytes + #text
    seen[list] = (seen[list] or 0) + 1
    local tag = tag_of(text)
    if tag then
        entries[#entries + 1] = tag
        entries[#entries + 1] = '[' .. text .. ', "", ' .. cjson.encode(queue_of(list)) .. ']'
        scores[#scores + 1] = now
        scores[#scores + 1] = tag
        fetched[#fetched + 1] = list - 4
        fetched[#fetched + 1] = tag
        fetched[#fetched + 1] = text
    else
        unreadable[#unreadable + 1] = text
    end
    full = #entries / 2 + #unreadable >= count_max
    return true
end

for first = 4, #KEYS, width do
    local exhausted, open = {}, width
    while open > 0 and not full do
        for list = first, first + width - 1 do
            if not full and not exhausted[list] and not fetch_next(list) then
                exhausted[list] = true
                open = open - 1
            end
        end
    end
end

if #entries > 0 or #unreadable > 0 then
    redis.call('ZREM', index, '')
    if #entries > 0 then
        redis.call('HSET', unacked, unpack(entries))
        redis.call('ZADD', index, unpack(scores))
    end
    if #unreadable > 0 then
        dropped = math.max(0, redis.call('LPUSH', aside, unpack(unreadable)) - aside_max)
        redis.call('LTRIM', aside, 0, aside_max - 1)
    end
    for list, count in pairs(seen) do redis.call('LTRIM', KEYS[list], 0, -1 - count) end
end
return {#unreadable, fetched, full and 0 or 1, tostring(time[1]), dropped}
"""
SCRIPT_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class FetchedMessage(NamedTuple):
    """A fetched message, now unacknowledged: its queue, its delivery tag and its unchanged text."""

    queue: str
    tag: str
    text: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRequest:
    """A fetch: the queues, their lists in order of preference, and the limits in messages and bytes.

    `width` is the number of lists that take turns. A text of more than `text_max` bytes is set aside unread,
    and one that has more than `headers_max` bytes beside its body is set aside before Python parses it.
    """

    queues: Sequence[str]
    lists: Sequence[str]
    width: int
    count_max: int
    bytes_max: int
    text_max: int
    headers_max: int

    def command(self, *, prefixed: Callable[[str], str], unacked_keys: Sequence[str], is_loaded: bool) -> list[Any]:
        """Return the command that runs the script.

        `prefixed` adds the prefix of all keys to a key. `is_loaded` says whether the server has the script; otherwise
        the command contains the script.
        """
        keys = [prefixed(key) for key in (*unacked_keys, SET_ASIDE_KEY, *self.lists)]
        script = ("EVALSHA", SCRIPT_SHA) if is_loaded else ("EVAL", SCRIPT)
        limits = (
            self.count_max,
            self.bytes_max,
            self.width,
            self.text_max,
            self.headers_max,
            VALUES_MAX,
            SET_ASIDE_MAX,
        )
        return [*script, len(keys), *keys, *limits, *self.queues]

    def parse_reply(self, reply: Sequence[Any]) -> "FetchReply":
        """Return the script's reply as a value."""
        unreadable, fetched, is_drained, server_time, dropped = reply
        messages = list(self._messages(fetched))
        return FetchReply(
            unreadable_count=unreadable,
            dropped_count=dropped,
            messages=messages,
            is_drained=bool(is_drained),
            server_time=float(server_time),
        )

    def _messages(self, fetched: Sequence[Any]) -> Iterator[FetchedMessage]:
        for position, tag, text in zip(fetched[::3], fetched[1::3], fetched[2::3], strict=True):
            yield FetchedMessage(queue=self.queues[position % len(self.queues)], tag=tag.decode(), text=text)


class FetchReply(NamedTuple):
    """The fetched messages, the number of texts set aside, and whether the queues are empty now.

    `dropped_count` is the number of older texts that had been set aside, and for which there was no more room.
    `server_time` is in seconds since 1970, by the server's clock.
    """

    unreadable_count: int
    dropped_count: int
    messages: list[FetchedMessage]
    is_drained: bool
    server_time: float
