"""Configuration as it may be shown and kept in a row: of secrets only whether two are equal can be told."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.conf import settings

from destinations.lib.formats import as_text
from destinations.lib.secret_names import IN_TEXT as IN_TEXT_NAME
from destinations.lib.secret_names import is_secret_name

# Secrets in values whose key does not tell. Each pattern is linear in the length of the value: a repetition takes all
# it can and gives nothing back, and the name of an assignment is tried at its beginning only.
IN_TEXT = (
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z))",
        re.DOTALL,
    ),
    re.compile(r"(?i)(?P<secret>AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]++)"),
    re.compile(r"://[^\s/:@\"']*+:(?P<secret>[^\s/\"']+)@"),
    re.compile(r"(?i)\bhttps?://(?P<secret>[^\s/:@\"']++)@"),
    re.compile(r"(?i)\b(?:bearer|basic)\s++(?P<secret>[^\s\"',;]++)"),
    re.compile(r"(?P<secret>\$(?:1|5|6|2[abxy]|y|argon2\w*+|scrypt|pbkdf2[\w-]*+)\$[^\s\"',;]++)"),
    re.compile(
        rf"(?i)(?<![\w-])(?=[\w-]*?{IN_TEXT_NAME})[\w-]++[\"']?\s*+[=:]\s*+"
        r"(?P<secret>\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s&;,\"']++)"
    ),
)


def masked(
    configuration: Mapping[str, Mapping[str, str]], secret: Callable[[str, str], bool] = lambda section, key: False
) -> dict[str, dict[str, str]]:
    """Return `configuration` with its secrets masked; empty ones stay empty.

    `secret` tells by section and key what is secret besides what is called so.
    """
    return {
        section: {key: masked_value(key, value, secret=secret(section, key)) for key, value in values.items()}
        for section, values in configuration.items()
    }


def masked_value(key: str, value: str, *, secret: bool = False) -> str:
    """Return `value` as it may be shown: dots for a secret, and for each one inside a URL, a text or JSON.

    What the name of `key` says is secret is masked whether `secret` says so or not.
    """
    return as_text(_masked_with(settings.SECRET_KEY, key, value, secret=secret))


def is_masked(text: str, key: str, value: str, *, secret: bool = False) -> bool:
    """True when `text` is what `value` of `key` was masked to, now or under a former key of the site."""
    # kept in plain by a version to which the name was not that of a secret
    if text == as_text(value):
        return True
    return any(
        as_text(_masked_with(site, key, value, secret=secret)) == text
        for site in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _mask(site: str, value: str) -> str:
    """Return dots and 6 hexadecimal digits of an HMAC under the site's key: no guess can be tried without that key."""
    digest = hmac.new(site.encode(), value.encode(errors="surrogatepass"), hashlib.sha256)
    return f"•••••• ({digest.hexdigest()[:6]})"


def _masked_with(site: str, key: str, value: str, *, secret: bool) -> str:
    if secret or is_secret_name(key):
        return _mask(site, value) if value else value
    if value.lstrip().startswith(("{", "[")):
        try:
            data = json.loads(value)
            hidden = _inside(site, data)
        except ValueError:
            pass
        except RecursionError:
            return _mask(site, value)
        else:
            return value if hidden == data else json.dumps(hidden, ensure_ascii=False)
    return _in_text(site, value)


def _inside(site: str, data: Any, *, secret: bool = False) -> Any:
    """Mask what is secret in parsed JSON; below a secret key that is everything."""
    if isinstance(data, dict):
        return {key: _inside(site, value, secret=secret or is_secret_name(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_inside(site, value, secret=secret) for value in data]
    if secret and data not in ("", None) and not isinstance(data, bool):
        return _mask(site, str(data))
    return _in_text(site, data) if isinstance(data, str) else data


def _in_text(site: str, text: str) -> str:
    for pattern in IN_TEXT:
        text = pattern.sub(partial(_hidden, site), text)
    return text


def _hidden(site: str, found: "re.Match[str]") -> str:
    start, end = (position - found.start() for position in found.span("secret"))
    return found[0][:start] + _mask(site, found["secret"]) + found[0][end:]
