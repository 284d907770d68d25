"""Settings of a server that others reach. What must not be left open is refused by the checks."""

from taskmapr.settings.base import *  # noqa: F403
from taskmapr.settings.env import env

# Who names an address of http:// has no HTTPS to lead to.
SECURE_SSL_REDIRECT = env.flag(
    "TASKMAPR_HTTPS_REDIRECT", default=not env.text("TASKMAPR_PUBLIC_URL").startswith("http://")
)
# Probes come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health(/ready)?/?$", r"^api/v1/health/?$", r"^metrics/?$"]
SECURE_HSTS_SECONDS = env.integer("TASKMAPR_HSTS_SECONDS", 365 * 24 * 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("TASKMAPR_HSTS_SUBDOMAINS")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
if env.flag("TASKMAPR_BEHIND_PROXY"):
    # Only where a proxy sets this header itself: a client could claim HTTPS otherwise.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
