"""Masking secrets in configurations that are shown or stored: equal secrets have equal masks."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from destinations.lib.formats import as_text
from destinations.lib.secret_names import is_secret_name
from destinations.lib.secret_spans import merged, secret_spans

# the value of a header alone; in a text these are words
SCHEME = re.compile(r"(?i)\b(?:bearer|basic)\s++(?!•)(?P<secret>[^\s\"',;]++)")
# of what `_mask` returns
MASK = re.compile(r"•••••• \([0-9a-f]{6}\)")


def masked(
    configuration: Mapping[str, Mapping[str, str]], secret: Callable[[str, str], bool] = lambda section, key: False
) -> dict[str, dict[str, str]]:
    """Return `configuration` with its secrets masked; empty ones stay empty.

    `secret` says by section and key which values are secret, in addition to keys with the name of a secret.
    """
    return {
        section: {key: masked_value(key, value, secret=secret(section, key)) for key, value in values.items()}
        for section, values in configuration.items()
    }


def masked_value(key: str, value: str, *, secret: bool = False) -> str:
    """Return `value` with a mask for a secret, and for each secret inside a URL, a text or JSON; masks stay.

    The whole value is masked when `secret`, or when `key` is the name of a secret.
    """
    return as_text(_masked_with(settings.SECRET_KEY, key, value, secret=secret))


def is_masked(text: str, key: str, value: str, *, secret: bool = False) -> bool:
    """Return whether `text` is the masked `value` of `key`, under the present or a former key of the site."""
    # what was masked when it was stored depends on the list of names of that time
    whole = secret or MASK.fullmatch(text) is not None
    shown = masked_value(key, text, secret=secret)
    return text == as_text(value) or any(
        as_text(_masked_with(site, key, value, secret=whole)) in (text, shown)
        for site in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _mask(site: str, value: str) -> str:
    """Return dots and 6 hexadecimal digits of an HMAC of `value`; a mask as it is."""
    if MASK.fullmatch(value):
        return value
    # keyed, so that guesses cannot be tried without the site's key
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
    """Mask secrets in parsed JSON, and every value below a key with the name of a secret."""
    if isinstance(data, dict):
        return {key: _inside(site, value, secret=secret or is_secret_name(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_inside(site, value, secret=secret) for value in data]
    if secret and data not in ("", None) and not isinstance(data, bool):
        return _mask(site, str(data))
    return _in_text(site, data) if isinstance(data, str) else data


def _in_text(site: str, text: str) -> str:
    spans = [*secret_spans(text), *(found.span("secret") for found in SCHEME.finditer(text))]
    parts, since = [], 0
    for begin, end in merged(spans):
        parts += [text[since:begin], _mask(site, text[begin:end])]
        since = end
    return "".join([*parts, text[since:]])
