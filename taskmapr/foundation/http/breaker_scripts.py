"""What circuit breakers keep in Redis, and the scripts that change it in one step."""

from __future__ import annotations

from typing import Final

_PREFIX: Final = "taskmapr:circuit:"
#: Services that failed lately, by the time (ms) of their last change.
INDEX: Final = "taskmapr:circuits"
#: What is known of a service that nobody called for so long is forgotten.
_KEPT_MS: Final = 24 * 3600 * 1000
#: Names of services hold hosts that users choose: so many are listed at most.
_MOST: Final = 500


def circuit_keys(service: str) -> tuple[str, str]:
    """The circuit's hash (absent while it is closed), and its failures by time."""
    return f"{_PREFIX}{service}", f"{_PREFIX}{service}:failures"


# Hash: state (open, half_open), opened_ms (the last time), since_ms (the first time), successes,
# probe and probe_until_ms (the call that tries, and how long it may).
_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

#: KEYS: hash. ARGV: ms that it stays open, ms that a probe may take, name of this call.
#: Answers {closed | probe | open, ms to wait}.
ENTER: Final = (
    """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'closed', 0} end
"""
    + _NOW
    + f"""
local ends = tonumber(redis.call('HGET', KEYS[1], 'opened_ms')) + tonumber(ARGV[1])
if state == 'open' and now < ends then return {{'open', ends - now}} end
if state == 'half_open' then
  local probing = tonumber(redis.call('HGET', KEYS[1], 'probe_until_ms') or '0')
  if probing > now then return {{'open', 1000}} end
end
redis.call('HSET', KEYS[1], 'state', 'half_open', 'probe', ARGV[3],
  'probe_until_ms', now + tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], {_KEPT_MS})
return {{'probe', 0}}
"""
)

#: KEYS: hash, failures, index. ARGV: service, outcome (worked, failed, released), name of the
#: probe, a name for this failure, failures that open it, ms in which they count, successes that
#: close it. Answers {state before, state after}.
LEAVE: Final = (
    _NOW
    + f"""
local state = redis.call('HGET', KEYS[1], 'state')
local function listed()
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - {_KEPT_MS})
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -{_MOST + 1})
end
if state == 'half_open' then
  if redis.call('HGET', KEYS[1], 'probe') ~= ARGV[3] then return {{state, state}} end
  redis.call('HDEL', KEYS[1], 'probe', 'probe_until_ms')
  if ARGV[2] == 'failed' then
    redis.call('HSET', KEYS[1], 'state', 'open', 'opened_ms', now, 'successes', 0)
    listed()
    return {{state, 'open'}}
  end
  if ARGV[2] == 'worked'
      and redis.call('HINCRBY', KEYS[1], 'successes', 1) >= tonumber(ARGV[7]) then
    redis.call('DEL', KEYS[1], KEYS[2])
    listed()
    return {{state, 'closed'}}
  end
  return {{state, state}}
end
if state or ARGV[2] ~= 'failed' then return {{state or 'closed', state or 'closed'}} end
local window = tonumber(ARGV[6])
redis.call('ZADD', KEYS[2], now, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window)
redis.call('PEXPIRE', KEYS[2], window)
listed()
if redis.call('ZCARD', KEYS[2]) < tonumber(ARGV[5]) then return {{'closed', 'closed'}} end
redis.call('HSET', KEYS[1], 'state', 'open', 'opened_ms', now, 'since_ms', now, 'successes', 0)
redis.call('PEXPIRE', KEYS[1], {_KEPT_MS})
return {{'closed', 'open'}}
"""
)
