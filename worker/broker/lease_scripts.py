"""The scripts that change the unacknowledged messages on Redis, each in one step and by the server's clock.

kombu's format is unchanged: a hash has each unacknowledged message by its delivery tag, and a sorted set has the
instant at which its lease began, in seconds since 1970. The lease ends a visibility timeout later.
"""

# A full server permits writes after one that removes something or could have; see `fetch_script`.
_BEGIN = """
local unacked, index = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREM', index, '')
"""

# Begin the leases of the tags anew. A tag that is no longer unacknowledged is left alone.
RENEW = f"""{_BEGIN}
local scores = {{}}
for _, tag in ipairs(ARGV) do
    scores[#scores + 1] = now
    scores[#scores + 1] = tag
end
redis.call('ZADD', index, 'XX', unpack(scores))
"""

# Take over messages whose leases are over, the oldest first, and return of each the tag, the entry and the beginning of
# the lease. ARGV has the visibility timeout in seconds, the most messages and the most bytes, which the last entry may
# exceed.
TAKE_OVER = f"""{_BEGIN}
local timeout, count_max, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local taken, bytes = {{}}, 0
local over = redis.call('ZRANGEBYSCORE', index, '-inf', now - timeout, 'WITHSCORES', 'LIMIT', 0, count_max)
for position = 1, #over, 2 do
    if bytes >= bytes_max then break end
    local tag = over[position]
    local entry = redis.call('HGET', unacked, tag)
    if entry then
        redis.call('ZADD', index, now, tag)
        taken[#taken + 1] = tag
        taken[#taken + 1] = entry
        taken[#taken + 1] = over[position + 1]
        bytes = bytes + #entry
    else
        redis.call('ZREM', index, tag)
    end
end
return taken
"""

# Move messages to the end of their lists that is fetched first. ARGV has for each message its tag, its text, the number
# of its lists and their positions in KEYS. A message that was acknowledged meanwhile is not put back.
PUT_BACK = f"""{_BEGIN}
local position = 1
while position < #ARGV do
    local tag, text, lists = ARGV[position], ARGV[position + 1], tonumber(ARGV[position + 2])
    if redis.call('HDEL', unacked, tag) == 1 then
        redis.call('ZREM', index, tag)
        for each = position + 3, position + 2 + lists do
            redis.call('RPUSH', KEYS[tonumber(ARGV[each])], text)
        end
    end
    position = position + 3 + lists
end
"""

# Let the leases of messages end at the given instants. ARGV has the visibility timeout, and for each message the
# instant in seconds since 1970 and the tag.
POSTPONE = f"""{_BEGIN}
for position = 2, #ARGV, 2 do
    if redis.call('HEXISTS', unacked, ARGV[position + 1]) == 1 then
        redis.call('ZADD', index, tonumber(ARGV[position]) - tonumber(ARGV[1]), ARGV[position + 1])
    end
end
"""
