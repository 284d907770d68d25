"""Exit 0 while a worker of this container tells Redis that it lives.

It does so every few seconds from the loop that carries its runs, so one that hangs is noticed, too.
"""

import os
import socket
import sys

import redis

host = socket.gethostname()
try:
    with redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=4) as client:
        names = [name.decode() for name in client.smembers("tm:workers")]
        ours = [f"tm:worker:{name}" for name in names if name.startswith(f"{host}-")]
        alive = client.exists(*ours) if ours else 0
except (redis.RedisError, OSError) as error:
    sys.exit(f"Redis: {error}")
if not alive:
    sys.exit(f"No worker lives on {host}")
