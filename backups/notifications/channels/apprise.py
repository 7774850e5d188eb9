"""Apprise: one URL for each of a hundred services, see https://github.com/caronc/apprise."""

import hashlib
import importlib
import logging
import re
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

from django import forms

from backups.errors import NotDelivered, Unresponsive
from backups.lib.in_time import in_time
from backups.notifications.channels.base import SECONDS, Channel
from backups.notifications.channels.http import METADATA
from backups.notifications.message import Level, Message, Progress
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import counted, printable
from destinations.lib.operator_error import sentences
from destinations.lib.redaction import HIDDEN, redact_cut
from destinations.network.endpoint_options import is_of_metadata

TYPES = {Level.ALARM.value: "failure", Level.WARNING.value: "warning"}
# on the desktop of the machine, or in its log: a worker has neither
LOCAL = frozenset({"dbus", "qt", "kde", "glib", "gnome", "macosx", "windows", "syslog"})
MOST_URLS = 20
_PART = re.compile(r"[^/?&=:@#,\s]{4,}")


class AppriseChannel(Channel):
    type = "apprise"
    label = "Apprise"
    secret_options = frozenset({"urls"})

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            "urls": forms.CharField(
                label="Apprise URLs",
                max_length=8000,
                widget=forms.Textarea({"rows": 4, "spellcheck": "false"}),
                help_text="One URL a line, as the documentation of Apprise gives them for each service, such as "
                "slack://TokenA/TokenB/TokenC/#channel.",
            ),
        }

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        urls = urls_in(str(options["urls"]))
        if not 0 < len(urls) <= MOST_URLS:
            raise DestinationConfigError(
                f"The option 'urls' of an Apprise channel has {counted(len(urls), 'line')}.",
                f"Give one URL a line, {MOST_URLS} at most.",
                "urls",
            )
        for number, url in enumerate(urls, start=1):
            scheme = scheme_of(url)
            if scheme in LOCAL or (service := service_of(url)) is None:
                raise DestinationConfigError(
                    f"Line {number} of the option 'urls' is no URL that Apprise can use here.",
                    "See the documentation of Apprise for how the URL of the service is written.",
                    "urls",
                )
            if is_of_metadata(host_of(service)):
                raise DestinationConfigError(
                    f"Line {number} of the option 'urls' is the address of {METADATA}.",
                    "Give the address of the receiver.",
                    "urls",
                )
        return options | {"urls": "\n".join(urls)}

    def recipient(self) -> str:
        return ", ".join(f"{scheme_of(url)}://" for url in urls_in(str(self.options["urls"])))

    def send(self, message: Message, progress: Progress) -> None:
        failed = []
        for number, url in enumerate(urls_in(str(self.options["urls"])), start=1):
            # never the URL: what is done is stored as it is
            key = hashlib.sha256(url.encode()).hexdigest()[:16]
            if key in progress.done:
                continue
            if reason := _notify(url, message):
                failed.append(f"Line {number} ({scheme_of(url)}://): {reason}")
            else:
                progress.done.append(key)
        if failed:
            raise NotDelivered(sentences(*failed), "Check the URL, and whether the service can be reached from here.")
        progress.answer = "Apprise sent it"


def urls_in(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (line.strip() for line in text.splitlines()))))


def scheme_of(url: str) -> str:
    return url.partition(":")[0].lower()


def service_of(url: str) -> Any:
    """Return what Apprise makes of `url`; None where it cannot use it."""
    # loaded where a channel of this kind is used: it brings requests and takes its time
    apprise = importlib.import_module("apprise")
    # one request after the other, and nothing is kept on the disk
    asset = apprise.AppriseAsset(async_mode=False, secure_logging=True, storage_mode="memory")
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def host_of(service: Any) -> str:
    """Return the host that a URL of Apprise names; "" where what stands there is a token, which is not looked up."""
    names_host = any("{host}" in template for template in getattr(service, "templates", ()))
    return str(getattr(service, "host", "") or "") if names_host else ""


def _leads_to_metadata(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        # Apprise says so itself
        return False
    return any(is_of_metadata(str(address[0])) for *_, address in found)


def _notify(url: str, message: Message) -> str:
    """Send `message` to one URL, and return why that failed, or ""."""
    service = service_of(url)
    if service is None:
        return "Apprise cannot use the URL."
    if (host := host_of(service)) and _leads_to_metadata(host):
        return f"It leads to {METADATA}, and nothing is sent there."
    lines: list[str] = []
    handler = _Lines(lines)
    log = logging.getLogger("apprise")
    log.addHandler(handler)
    try:
        sent = in_time(
            f"the service of {scheme_of(url)}://",
            lambda: service.notify(
                body=message.text, title=message.subject, notify_type=TYPES.get(message.level, "info")
            ),
            seconds=2 * SECONDS,
        )
    except Unresponsive:
        return f"There was no answer within {counted(round(2 * SECONDS), 'second')}."
    # of any plugin, about a URL that it did not expect
    except Exception as error:
        return f"Apprise failed ({type(error).__name__})."
    finally:
        log.removeHandler(handler)
    return "" if sent else _without_parts(url, lines[-1] if lines else "The service did not take the message.")


class _Lines(logging.Handler):
    """Keeps what Apprise says about why it failed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def _without_parts(url: str, text: str) -> str:
    """Return `text` without anything that stands in `url`: tokens are its host, its path or its query."""
    rest = url.partition("://")[2]
    parts = {*_PART.findall(rest), *_PART.findall(unquote(rest)), urlsplit(url).netloc}
    for part in sorted(filter(None, parts), key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return printable(redact_cut(" ".join(text.split()), first=300))
