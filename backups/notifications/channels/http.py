"""One request of HTTP: no redirection is followed, and it ends in time whatever the other side does."""

import base64
import importlib
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from django import forms

from backups.errors import NotDelivered
from backups.notifications.channels.base import SECONDS
from destinations.exceptions import ConnectionLost, DestinationConfigError
from destinations.lib.formats import counted, printable
from destinations.lib.redaction import redact_cut
from destinations.network.certificates import CA_FILE
from destinations.network.connections import Connections
from destinations.network.endpoint_options import is_of_metadata
from destinations.network.errors import from_library_error
from destinations.transfer.watch import Meter, watched

# of an answer: enough for its reason
READ_BYTES = 2000
SHOWN = 200
METADATA = "this machine's metadata service"
_AGAIN = "Look at the log of the receiver."


def url_field(label: str, help_text: str) -> forms.CharField:
    # no URLField: it takes a host without a dot, such as one of the own network, for none
    return forms.CharField(label=label, max_length=2000, help_text=help_text)


def ca_file_field() -> forms.CharField:
    return forms.CharField(
        label="File of the authority",
        required=False,
        max_length=1024,
        help_text="For a certificate of an authority of one's own: the absolute path of its file (PEM) on this "
        "machine. Left blank, the usual authorities are trusted.",
    )


def check_url(option: str, value: object, noun: str) -> str:
    """Return `value` if it is a URL that may be asked. Raises `DestinationConfigError`, which never repeats it."""
    url = str(value)
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
        good = good and " " not in url and not parts.fragment and "\\" not in url
    except ValueError:
        good = False
    if not good:
        raise DestinationConfigError(
            f"The option {option!r} of a {noun} is no URL.", "Give one that begins with https:// or http://.", option
        )
    if is_of_metadata(parts.hostname or ""):
        raise DestinationConfigError(
            f"The option {option!r} of a {noun} is the address of {METADATA}.",
            "Give the address of the receiver.",
            option,
        )
    return url


def check_ca_file(options: dict[str, object]) -> None:
    if (path := str(options[CA_FILE] or "")) and not path.startswith("/"):
        raise DestinationConfigError(
            f"The option {CA_FILE!r} is wrong: it is not absolute.", "Give the full path of the file.", CA_FILE
        )


def address_of(url: str) -> str:
    """Return the scheme and the host of `url`: what follows may be a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def post(url: str, body: bytes, headers: Mapping[str, str], *, ca_file: str = "") -> tuple[str, str]:
    """Send `body` by POST, and return the status and the beginning of the answer.

    Raises `NotDelivered` unless the status is one of the 200s.
    """
    parts, headers = urlsplit(url), dict(headers)
    where = parts.netloc.rpartition("@")[2]

    def refuse(address: str) -> None:
        if is_of_metadata(address):
            raise NotDelivered(
                f"{where} leads to {METADATA}, and nothing is sent there.", "Correct its name or its URL."
            )

    connections = Connections(refuse)
    if parts.username is not None:
        # the session sends no login by itself
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        url = urlunsplit(parts._replace(netloc=where))
    # loaded by the first message: requests takes longer to import than most commands to run
    adapter = importlib.import_module("destinations.network.http_adapter")
    errors = importlib.import_module("urllib3.exceptions")

    def ask() -> tuple[int, str]:
        with (
            adapter.tracked_session(connections, threads=1, verify=ca_file) as session,
            session.post(
                url, data=body, headers=headers, timeout=SECONDS, allow_redirects=False, stream=True
            ) as answer,
        ):
            return answer.status_code, next(answer.iter_content(READ_BYTES), b"").decode(errors="replace")

    def stalled() -> Exception:
        return ConnectionLost(f"{where} has not answered within {counted(round(SECONDS), 'second')}.", _AGAIN)

    try:
        status, text = watched(ask, meter=Meter(), abort=connections.shut, stalled_after=SECONDS, stalled=stalled)
    except ConnectionLost as error:
        raise NotDelivered(error.message, error.hint) from None
    except (OSError, ValueError, errors.HTTPError) as error:
        known = from_library_error(error, "send a message", where, lambda *_: None)
        if known is not None:
            raise NotDelivered(known.message, known.hint) from None
        # the text of the library repeats the URL, which may hold a secret
        raise NotDelivered(f"Cannot send a message to {where}: {type(error).__name__}.", _AGAIN) from None
    said = printable(redact_cut(" ".join(text.split()), first=SHOWN))
    if 200 <= status < 300:
        return f"HTTP {status}", said
    if 300 <= status < 400:
        raise NotDelivered(
            f"{where} answers with a redirection (HTTP {status}), which is not followed.",
            "Give the URL that it leads to.",
        )
    raise NotDelivered(f"{where} answers with HTTP {status}{f': {said}' if said else ''}.", _AGAIN)
