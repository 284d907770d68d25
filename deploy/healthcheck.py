"""Exit 0 while this machine's web process answers /health with 200. Standard library only.

/health is 503 when nothing can be started, that is without Redis. The Host header is one that the
server takes: `localhost`, or the first of ALLOWED_HOSTS.
"""

import os
import sys
import urllib.request

names = ("TASKMAPR_PORT", "FASTAPI_PORT", "PORT")
port = next((os.environ[name] for name in names if os.environ.get(name)), "8000")
host = (os.environ.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip(".*")
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/health", headers={"Host": host or "localhost"}
)
try:
    urllib.request.urlopen(request, timeout=4).close()  # noqa: S310 - an address of ours
except OSError as error:
    sys.exit(f"{request.full_url}: {error}")
