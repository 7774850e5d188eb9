"""Settings from the environment: the variable ``X``, or the file that ``X_FILE`` names."""

import os
import shlex
import warnings
from collections.abc import Collection, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# what Windows puts at the beginning of a text file
MARK = "\ufeff"
# every file that a setting was read from
files_read: set[Path] = set()
# every variable that a setting was looked for in
names_read: set[str] = set()

REDIS_SCHEMES = ("redis", "rediss", "unix")
WANTED = {int: "a whole number", float: "a number", bool: "true or false"}


class Environment(environ.Env):  # type: ignore[misc]  # the library has no annotations
    """The library's casts, without its proxies: a secret that begins with a dollar sign is that secret."""

    def get_value(self, var: str, cast: Any = None, default: Any = "", parse_default: bool = False) -> Any:
        """Return the value, `default` when it is not set or empty.

        Raises ImproperlyConfigured that names the variable and never repeats its value.
        """
        text = text_of(var)
        if not text:
            return default
        try:
            return _stripped(self.parse_value(text, cast))
        except ValueError:
            raise ImproperlyConfigured(f"The setting {var} is not {WANTED.get(cast, 'valid')}.") from None

    def choice(self, var: str, known: Sequence[str], default: str) -> str:
        """Return the value, which is one of `known`. Raises ImproperlyConfigured that names them."""
        value = text_of(var).strip() or default
        if value not in known:
            raise ImproperlyConfigured(f"The setting {var} is not one of {', '.join(known)}.")
        return value

    def networks(self, var: str, default: str) -> list[IPv4Network | IPv6Network]:
        """Return the addresses and networks in a list. Raises ImproperlyConfigured."""
        try:
            return [ip_network(word, strict=False) for word in self.words(var) or default.split()]
        except ValueError as error:
            # the word is no secret, and the message quotes it
            raise ImproperlyConfigured(
                f"The setting {var} is not a list of IP addresses and networks: {error}."
            ) from None

    def db_url(self, var: str = "DATABASE_URL", default: Any = "", engine: Any = None) -> dict[str, Any]:
        """Return the settings of a database. Raises ImproperlyConfigured that never repeats the URL."""
        try:
            _require_url(text_of(var), self.DB_SCHEMES)
            with warnings.catch_warnings():
                # the library's warnings repeat the URL
                warnings.simplefilter("error", UserWarning)
                settings: dict[str, Any] = super().db_url(var, default=default, engine=engine)
        except (ValueError, KeyError, UserWarning):
            raise _not_a_url(var, "a database") from None
        return settings

    def redis_url(self, var: str) -> str:
        """Return the URL of a Redis, "" without one. Raises ImproperlyConfigured that never repeats it."""
        url = text_of(var)
        try:
            _require_url(url, REDIS_SCHEMES)
        except ValueError:
            raise _not_a_url(var, "a Redis") from None
        return url

    def words(self, var: str) -> list[str]:
        """Return the words between commas, spaces and line breaks."""
        return text_of(var).replace(",", " ").split()

    def lines(self, var: str) -> list[str]:
        """Return the lines that are not empty, unchanged: a passphrase may hold commas and spaces."""
        return [line for line in text_of(var).splitlines() if line]

    def marked_lines(self, var: str) -> list[str]:
        """Return the first line of the file of `var` with the byte order mark before it; none where it has none.

        Earlier versions took the mark as a part of the passphrase: archives may be encrypted with it.
        """
        text = text_of(var, marked=True)
        return [text.splitlines()[0]] if text.startswith(MARK) else []

    def argv(self, var: str) -> list[str]:
        """Return a command split into words by the quoting rules of the shell; it runs without a shell.

        Raises ImproperlyConfigured for a quotation mark that is not closed.
        """
        try:
            return shlex.split(text_of(var))
        except ValueError:
            raise ImproperlyConfigured(f"The setting {var} is not a command: a quotation mark is missing.") from None


def _require_url(url: str, schemes: Collection[str]) -> None:
    """Raise ValueError for another scheme, and where a password with a reserved character ended the host early.

    An empty one is no mistake.
    """
    if not url or url.startswith("sqlite:"):
        return
    parts = urlsplit(url)
    # a port that is no number raises it too
    no_host = parts.port is not None and not parts.hostname
    no_end = "@" in parts.path + parts.query + parts.fragment
    if parts.scheme not in schemes or no_host or no_end:
        raise ValueError("not a URL")


def _not_a_url(var: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"The setting {var} is not the URL of {what}. In a password write each of / ? # @ : % [ ] percent-encoded."
    )


def _stripped(value: Any) -> Any:
    """Leave the spaces around commas out of lists and dictionaries."""
    if isinstance(value, list):
        return [item.strip() for item in value if item.strip()]
    if isinstance(value, dict):
        return {key.strip(): item.strip() for key, item in value.items()}
    return value


def text_of(var: str, *, marked: bool = False) -> str:
    """Return the value of `var` or of the file in `var`_FILE, without the line break at its end.

    A byte order mark at the beginning of the file is left out unless `marked`.

    Raises ImproperlyConfigured for a file that cannot be read or is empty: without the secret that it should hold,
    archives would be stored in plain, or a new key be made.
    """
    names_read.add(var)
    path = os.environ.get(f"{var}_FILE")
    if not path:
        return os.environ.get(var, "")
    files_read.add(Path(path))
    try:
        text = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ImproperlyConfigured(f"The file {path} of the setting {var}_FILE cannot be read: {reason}.") from None
    if not text.removeprefix(MARK).strip():
        raise ImproperlyConfigured(f"The file {path} of the setting {var}_FILE is empty.")
    return text if marked else text.removeprefix(MARK)
