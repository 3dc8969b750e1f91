"""The script that stores results in Redis or Valkey, each unless the stored one is another's or says more."""

# A message names its task id itself, so a forged one may name that of another's task. The results of a task belong to
# the projects that its request names, by their mark.
STORE = """
local kept = 0
for i, key in ipairs(KEYS) do
    local owner, status, value = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
    local may_store = true
    local stored = redis.call('GET', key)
    if stored then
        local is_read, meta = pcall(cjson.decode, stored)
        if is_read and type(meta) == 'table' then
            if type(meta.owner) == 'string' and meta.owner ~= owner then
                may_store = false
                kept = kept + 1
            elseif meta.status == 'SUCCESS' and status ~= 'SUCCESS' then
                -- The failure of a late copy does not replace the success of the first.
                may_store = false
            end
        end
    end
    if may_store then
        if ARGV[1] == '' then
            redis.call('SET', key, value)
        else
            redis.call('SET', key, value, 'EX', ARGV[1])
        end
        redis.call('PUBLISH', key, value)
    end
end
return kept
"""
