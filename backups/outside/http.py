"""One request to one server: no redirect is followed, and no answer is waited for beyond a deadline."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from destinations.lib.operator_error import OperatorError

# of an answer; the details of 1,000 instances take 1 MB
MOST_BYTES = 8 << 20
BLOCK = 64 << 10
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class RequestFailed(OperatorError):  # noqa: N818 - named for what happened, as the others
    """A server gave no answer. No message holds more of its URL than the host: the rest may be a secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    # the new place would get what is sent, the token included
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def require_url(url: str, what: str) -> str:
    """Return the host of `url`. Raises OperatorError that names `what` it is for, and never repeats it."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise OperatorError(f"The address of {what} is not valid.", "It begins with https:// and holds no user name.")
    return parts.hostname or ""


def is_plain(url: str) -> bool:
    """True when what is sent to `url` can be read on the way."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK


def ask(
    url: str, *, seconds: float, body: bytes | None = None, headers: dict[str, str] | None = None,
    ca_file: Path | None = None,
) -> Answer:  # fmt: skip
    """Send one request, a POST when there is a `body`, and return the answer, whatever its status.

    Raises RequestFailed when there is none within about `seconds`, OperatorError for a bad `ca_file`.
    """
    host = urlsplit(url).hostname
    deadline = time.monotonic() + seconds
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        # an SSLError, where the file holds no certificate, has no text of its own
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise OperatorError(f"The file {ca_file} cannot be used as an authority: {reason}.") from None
    try:
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
        # the scheme was checked by `require_url`
        request = urllib.request.Request(url, data=body, headers=headers or {})  # noqa: S310
        try:
            response = opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            parts = bytearray()
            while block := response.read1(BLOCK):
                parts += block
                if len(parts) > MOST_BYTES:
                    raise RequestFailed(f"The answer of {host} is longer than {MOST_BYTES >> 20} MiB.")
                if time.monotonic() > deadline:
                    raise TimeoutError
            return Answer(response.status, bytes(parts))
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, TimeoutError):
            raise RequestFailed(f"{host} does not answer within {seconds:.0f} seconds.") from None
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise RequestFailed(f"The certificate of {host} is not trusted: {cause.verify_message}.") from None
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        raise RequestFailed(f"{host} cannot be reached: {reason}.") from None
