"""Settings of `checkoverdue --url`: what sending a notice needs, and no file is made or read."""

from backupsite.environment import Environment

env = Environment()

INSTALLED_APPS = ["backupsite.outside"]
# signs nothing: there are no sessions and no pages
SECRET_KEY = "unused"  # noqa: S105
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_PORT = env.int("EMAIL_PORT", default=465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="backupsite@localhost")
LOGGING = {"version": 1, "disable_existing_loggers": False}
