"""Settings of `checkoverdue --url`: what sending a notice needs, and no file is made or read."""

from backupsite.environment import Environment
from backupsite.mail import *  # noqa: F403

env = Environment()

INSTALLED_APPS = ["backupsite.outside"]
# signs nothing: there are no sessions and no pages
SECRET_KEY = "unused"  # noqa: S105
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
LOGGING = {"version": 1, "disable_existing_loggers": False}
