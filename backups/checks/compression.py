"""Check the settings of compression."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_compression(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E003: the compression or its level is unknown."""
    found: list[CheckMessage] = []
    if settings.BACKUP_COMPRESSION not in ("gzip", "zstd"):
        found.append(Error("BACKUP_COMPRESSION is not gzip or zstd.", id="backups.E003"))
    if not 1 <= settings.BACKUP_COMPRESSION_LEVEL <= 9:
        found.append(Error("BACKUP_COMPRESSION_LEVEL is not between 1 and 9.", id="backups.E003"))
    return found
