"""Settings of the site. Everything an operator changes comes from the environment: docs/configuration.md.

A variable `X` may also be given as `X_FILE`, the path of a file that holds it (container secrets).
"""

import os
from pathlib import Path

from backupsite import environment, paths, queue
from backupsite.environment import Environment
from backupsite.mail import *  # noqa: F403

# databases, archives, workspaces and logs hold secrets: no access for group and others
os.umask(0o077)

env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent
BACKUPSITE_HOME = Path(env.str("BACKUPSITE_HOME", default=str(BASE_DIR / "var"))).expanduser().absolute()

DEBUG = env.bool("DEBUG", default=False)
paths.private_directory(BACKUPSITE_HOME)
SECRET_KEY = env.str("SECRET_KEY", default="") or paths.secret_key(BACKUPSITE_HOME)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- what is backed up, and where it goes -------------------------------------------------------------------------
BACKUP_INSTANCES_FILE = Path(
    env.str("BACKUP_INSTANCES_FILE", default=str(BACKUPSITE_HOME / "instances.toml"))
).expanduser()
# made here only where nothing else was asked for: a given one that is missing is an unmounted disk
BACKUP_ROOT = Path(
    env.str("BACKUP_ROOT", default="") or paths.private_directory(BACKUPSITE_HOME / "backups")
).expanduser()
BACKUP_WORKSPACE_ROOT = Path(env.str("BACKUP_WORKSPACE_ROOT", default=str(BACKUPSITE_HOME / "workspaces"))).expanduser()
BACKUP_COMPRESSION = env.str("BACKUP_COMPRESSION", default="gzip")
BACKUP_COMPRESSION_LEVEL = env.int("BACKUP_COMPRESSION_LEVEL", default=6)
BACKUP_LOCK_TIMEOUT = env.float("BACKUP_LOCK_TIMEOUT", default=30.0)
BACKUP_CHECK_TIMEOUT = env.float("BACKUP_CHECK_TIMEOUT", default=30.0)
BACKUP_HEARTBEAT_TIMEOUT = env.float("BACKUP_HEARTBEAT_TIMEOUT", default=120.0)
BACKUP_WORKERS = env.int("BACKUP_WORKERS", default=2)
BACKUP_TIMEOUT = env.int("BACKUP_TIMEOUT", default=21_600)
BACKUP_STOP_GRACE = env.float("BACKUP_STOP_GRACE", default=10.0)
BACKUP_QUEUE = env.str("BACKUP_QUEUE", default="backups")
BACKUP_ENCRYPTION = env.str("BACKUP_ENCRYPTION", default="age")
BACKUP_ENCRYPTION_RECIPIENTS = env.words("BACKUP_ENCRYPTION_RECIPIENTS")
BACKUP_ENCRYPTION_PASSPHRASE = env.str("BACKUP_ENCRYPTION_PASSPHRASE", default="")
BACKUP_ENCRYPTION_OLD_PASSPHRASES = [
    *env.lines("BACKUP_ENCRYPTION_OLD_PASSPHRASES"),
    *env.marked_lines("BACKUP_ENCRYPTION_PASSPHRASE"),
    *env.marked_lines("BACKUP_ENCRYPTION_OLD_PASSPHRASES"),
]
BACKUP_ENCRYPTION_IDENTITY_FILE = env.list("BACKUP_ENCRYPTION_IDENTITY_FILE", default=[])
BACKUP_ENCRYPTION_PROGRAM_ENCRYPT = env.argv("BACKUP_ENCRYPTION_PROGRAM_ENCRYPT")
BACKUP_ENCRYPTION_PROGRAM_DECRYPT = env.argv("BACKUP_ENCRYPTION_PROGRAM_DECRYPT")
BACKUP_ENCRYPTION_PROGRAM_EXTENSION = env.str("BACKUP_ENCRYPTION_PROGRAM_EXTENSION", default="")
BACKUP_SIGNING_KEY = env.str("BACKUP_SIGNING_KEY", default="") or paths.signing_key(BACKUPSITE_HOME)
BACKUP_TRUSTED_KEYS = env.words("BACKUP_TRUSTED_KEYS")
BACKUP_RESTORE_CONFIRMATION_MINUTES = env.int("BACKUP_RESTORE_CONFIRMATION_MINUTES", default=15)
BACKUP_WEB_RESTORE = env.bool("BACKUP_WEB_RESTORE", default=True)
BACKUP_SAFETY_DESTINATION = env.str("BACKUP_SAFETY_DESTINATION", default="")
# how much of what a component held must be gone to count as a drop, how many times as large it must be to count as
# growth, and where both are no news
BACKUP_DROP_PERCENT = env.int("BACKUP_DROP_PERCENT", default=90)
BACKUP_GROWTH_FACTOR = env.int("BACKUP_GROWTH_FACTOR", default=10)
BACKUP_DROP_IGNORE = env.words("BACKUP_DROP_IGNORE")
# the rule of destinations that have none of their own; without a strategy everything stays
BACKUP_RETENTION = {
    "strategy": env.str("BACKUP_RETENTION_STRATEGY", default=""),
    "keep_days": env.int("BACKUP_RETENTION_DAYS", default=None),
    "keep_count": env.int("BACKUP_RETENTION_COUNT", default=None),
    "keep_daily": env.int("BACKUP_RETENTION_DAILY", default=None),
    "keep_weekly": env.int("BACKUP_RETENTION_WEEKLY", default=None),
    "keep_monthly": env.int("BACKUP_RETENTION_MONTHLY", default=None),
    "keep_yearly": env.int("BACKUP_RETENTION_YEARLY", default=None),
    "min_keep": env.int("BACKUP_RETENTION_MIN_KEEP", default=None),
}
# names that custom schedules may use, each with the dotted path of its function: docs/schedules.md
BACKUP_CUSTOM_CADENCES: dict[str, str] = env.dict("BACKUP_CUSTOM_CADENCES", default={})
# seconds that a changed configuration must be stable before it is backed up, and between two such backups
BACKUP_WATCH_DEBOUNCE = env.float("BACKUP_WATCH_DEBOUNCE", default=120)
BACKUP_WATCH_INTERVAL = env.float("BACKUP_WATCH_INTERVAL", default=900)
# days after which the newest good backup of an instance is drilled again by itself; 0: never
BACKUP_DRILL_EVERY_DAYS = env.int("BACKUP_DRILL_EVERY_DAYS", default=0)
BACKUP_SECRETS_KEY = env.list("BACKUP_SECRETS_KEY", default=[]) or [paths.secrets_key(BACKUPSITE_HOME)]
# the address of this site as browsers open it, for links in notifications
BACKUP_SITE_URL = env.str("BACKUP_SITE_URL", default="")
# hours after which an open notice is sent again; 0: never
BACKUP_REMIND_HOURS = env.int("BACKUP_REMIND_HOURS", default=24)
BACKUP_TEST_ALARM_DAYS = env.int("BACKUP_TEST_ALARM_DAYS", default=30)
# the aliases of STORAGES in which destinations of type `storage` may keep archives
BACKUP_STORAGE_ALIASES = env.list("BACKUP_STORAGE_ALIASES", default=[])
# what programs that watch this site get: docs/monitoring.md
BACKUP_MONITORING_TOKEN = env.str("BACKUP_MONITORING_TOKEN", default="")
BACKUP_MONITORING_ADDRESSES = env.networks("BACKUP_MONITORING_ADDRESSES", default="127.0.0.0/8 ::1")

# --- Django -------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "backupsite.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_q",
    "destinations",
    "backups",
]

MIDDLEWARE = [
    "backupsite.middleware.request_ids",
    "backups.endpoints.middleware.answer_programs",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backupsite.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "backupsite.middleware.no_null_characters",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backups.admin.overview.time_zone.user_time_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# where a proxy serves the site below a path: the variable that gunicorn reads too
_prefix = env.str("SCRIPT_NAME", default="").strip("/")
FORCE_SCRIPT_NAME = f"/{_prefix}" if _prefix else None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = FORCE_SCRIPT_NAME or "/"

ROOT_URLCONF = "backupsite.urls"
WSGI_APPLICATION = "backupsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": queue.database_settings(env, BACKUPSITE_HOME)}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True
# one style of dates on all pages, those of Django's admin included
FORMAT_MODULE_PATH = "backupsite.formats"

STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
STATIC_ROOT = paths.private_directory(BACKUPSITE_HOME / "static")
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "backups.admin.shared.error_pages.csrf_failure"
# Behind TLS (the documented deployment) set HTTPS=true: secure cookies and the redirect go together.
HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# off by default: browsers remember it for this long, and the last two reach beyond the host name of this site
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

Q_CLUSTER = queue.cluster_settings(env, runs=BACKUP_WORKERS, timeout=BACKUP_TIMEOUT)

DEFAULT_EXCEPTION_REPORTER = "backupsite.crashes.RedactingReporter"
LOG_FILE = env.str("LOG_FILE", default=str(BACKUPSITE_HOME / "backupsite.log"))
LOG_FORMAT = env.choice("LOG_FORMAT", ["text", "json"], default="text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "text": {
                "()": "backupsite.logs.RedactingFormatter",
                "format": "{asctime} {levelname} {name} {message}",
                "style": "{",
            },
            "json": {"()": "backupsite.json_logs.RedactingJsonFormatter"},
        }[LOG_FORMAT],
    },
    "handlers": {
        "stderr": {"class": "backups.lib.log_handlers.StandardError", "formatter": "line"},
        # logrotate may move it away: a moved file is opened anew
        "file": {"class": "backups.lib.log_handlers.LogFile", "formatter": "line", "filename": LOG_FILE},
    },
    "root": {"handlers": ["stderr", "file"], "level": "WARNING"},
    "loggers": {
        name: {"level": env.str("LOG_LEVEL", default="INFO")} for name in ("backups", "destinations", "backupsite")
    },
}

# no part of a backup, and never touched by a restore; every variable was read by now
BACKUP_SITE_KEY_FILES = paths.key_files(BACKUPSITE_HOME)
BACKUP_KEY_FILES = [*BACKUP_SITE_KEY_FILES, *sorted(environment.files_read)]
# what a backup of this site itself lists: docs/instances.md
BACKUP_SITE_VARIABLES = sorted(environment.names_read)
