"""Settings: `dev` (default), `test` or `prod`, chosen by ENV."""

from taskmapr.settings.env import env

match env.choice("ENV", ("dev", "test", "prod"), default="dev"):
    case "dev":
        from taskmapr.settings.dev import *  # noqa: F403
    case "test":
        from taskmapr.settings.test import *  # noqa: F403
    case _:
        from taskmapr.settings.prod import *  # noqa: F403
