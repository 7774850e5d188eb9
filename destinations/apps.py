from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings

from destinations.lib import redaction

SECRET_SETTINGS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "BACKUP_SECRETS_KEY",
    "BACKUP_ENCRYPTION_PASSPHRASE",
    "BACKUP_ENCRYPTION_OLD_PASSPHRASES",
    "BACKUP_SIGNING_KEY",
    "EMAIL_HOST_PASSWORD",
    "BACKUP_MONITORING_TOKEN",
)


def configured_secrets() -> Iterator[str]:
    for name in SECRET_SETTINGS:
        value = getattr(settings, name, "")
        yield from [value] if isinstance(value, str) else value
    yield from (database["PASSWORD"] for database in settings.DATABASES.values() if database.get("PASSWORD"))
    url = getattr(settings, "Q_CLUSTER", {}).get("redis")
    # a malformed URL raises it: that is reported where it is used
    with suppress(ValueError):
        if isinstance(url, str) and (password := urlsplit(url).password):
            yield from (password, unquote(password))


class DestinationsConfig(AppConfig):
    name = "destinations"
    verbose_name = "Destinations"

    def ready(self) -> None:
        from destinations import checks  # noqa: F401  # registers them; models exist only now

        redaction.add_source(configured_secrets)
