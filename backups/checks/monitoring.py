"""Check of the token that opens /health and /metrics."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning

# as long as 96 random bits in the alphabet of base64
SHORTEST_TOKEN = 16


def check_token(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W090: the token can be guessed, or cannot be sent in a header."""
    token: str = settings.BACKUP_MONITORING_TOKEN
    if not token:
        return []
    hint = "Make one with: openssl rand -hex 32"
    if len(token) < SHORTEST_TOKEN:
        text = f"BACKUP_MONITORING_TOKEN has fewer than {SHORTEST_TOKEN} characters, so that it can be guessed."
        return [Warning(text, hint=hint, id="backups.W090")]
    if not token.isascii() or not token.isprintable() or " " in token:
        text = "BACKUP_MONITORING_TOKEN has a space or a character that a header does not take."
        return [Warning(text, hint=hint, id="backups.W090")]
    return []
