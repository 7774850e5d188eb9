"""Configuration as it may be shown and kept in a row: of secrets only whether two are equal can be told."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from django.conf import settings

SECRET_KEY = re.compile(r"(?i)(password|passwd|passphrase|secret|token|hash|private_key|api_?key|credential)")
NOT_SECRET = re.compile(r"(?i)(_endpoint|_algorithm|_ttl|_seconds)$")


def is_secret(key: str) -> bool:
    return bool(SECRET_KEY.search(key)) and not NOT_SECRET.search(key)


def masked(configuration: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return `configuration` with the values of secret keys masked; empty ones stay empty."""
    return {
        section: {key: mask(value) if is_secret(key) and value else value for key, value in values.items()}
        for section, values in configuration.items()
    }


def mask(value: str) -> str:
    """Return dots and 6 hexadecimal digits of an HMAC under the site's key: no guess can be tried without that key."""
    return _masked_with(settings.SECRET_KEY, value)


def is_mask_of(text: str, value: str) -> bool:
    """True when `text` was made of `value`, now or under a former key of the site."""
    return any(_masked_with(key, value) == text for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def _masked_with(key: str, value: str) -> str:
    return f"•••••• ({hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()[:6]})"
