"""The Lua scripts: what must happen in one step in Redis."""

REFUSED = -3
NOT_MINE = -2

# Append to many turns' logs and publish the same frames.
# KEYS  per turn: fence, log, channel
# ARGV  the fences' seconds to live, then per turn: attempt, raise (1 sets the fence, after a claim), the log's seconds
#       to live, first number, count, frames…
# Returns per turn: REFUSED (a higher attempt is known) · NOT_MINE (the fence is missing or lower)
# · else the log's last number: first + count - 1 when it was appended, anything else when the log has another end.
APPEND = """
local at, results = 2, {}
for turn = 1, #KEYS / 3 do
  local fence, log, channel = KEYS[turn * 3 - 2], KEYS[turn * 3 - 1], KEYS[turn * 3]
  local attempt, raise = tonumber(ARGV[at]), ARGV[at + 1] == '1'
  local first, count = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local known = tonumber(redis.call('GET', fence) or '0')
  local result
  if known > attempt then
    result = -3
  elseif known < attempt and not raise then
    result = -2
  else
    if known < attempt then redis.call('SET', fence, attempt) end
    result = redis.call('XLEN', log) - 1
    if result == first - 1 then
      for i = 1, count do
        redis.call('XADD', log, (first + i) .. '-0', 'f', ARGV[at + 4 + i])
      end
      redis.call('EXPIRE', fence, ARGV[1])
      redis.call('EXPIRE', log, ARGV[at + 2])
      local head = attempt .. ' ' .. first .. ' ' .. count .. '\\n'
      redis.call('PUBLISH', channel, head .. table.concat(ARGV, '', at + 5, at + 4 + count))
      result = first + count - 1
    end
  end
  results[turn] = result
  at = at + 5 + count
end
return results
"""

# KEYS fence · ARGV attempt, seconds to live. 1, or 0 when a higher attempt is known.
RAISE_FENCE = """
if tonumber(redis.call('GET', KEYS[1]) or '0') > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

# KEYS count · ARGV milliseconds to live from the first. Counts one more; returns the count and the milliseconds left.
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""

# KEYS fence, log · ARGV attempt, seconds to live. No lower attempt appends from here on; returns the log's frames.
FREEZE = """
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
local frames = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do frames[i] = entry[2][2] end
return frames
"""
