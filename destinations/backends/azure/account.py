"""Where the storage account is and how to log in. Plain Python."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import parse_qs, urlsplit

from django.utils import timezone

from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences
from destinations.lib.redaction import remember

# exactly one of these options is given
LOGINS = ("connection_string", "account_key", "sas_token", "use_managed_identity")
RIGHTS = {"r": "read", "a": "add", "c": "create", "w": "write", "d": "delete", "l": "list"}


@dataclass(frozen=True, repr=False)  # it holds secrets
class Account:
    """Made from the options of a destination. `key` or `signature` is given, or neither: then a managed identity."""

    name: str
    url: str
    key: str
    signature: str
    option: str

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Self:
        """Raises `DestinationConfigError`, which repeats no value."""
        given = {option: str(value or "").strip() for option, value in options.items()}
        if given["connection_string"]:
            parts = _parts_of(given["connection_string"])
        else:
            parts = {
                "accountname": given["account_name"].lower(),
                "accountkey": given["account_key"],
                "sharedaccesssignature": given["sas_token"],
                "endpointsuffix": given["endpoint_suffix"] or "core.windows.net",
            }
        option = next((login for login in LOGINS if options.get(login)), LOGINS[0])
        url = (given["endpoint_url"] or _endpoint(parts)).rstrip("/")
        name = parts.get("accountname") or (urlsplit(url).hostname or "").partition(".")[0]
        key, signature = parts.get("accountkey", ""), parts.get("sharedaccesssignature", "").removeprefix("?")
        if not name or not urlsplit(url).hostname:
            raise _wrong(option, "it names no account.", "Give AccountName, or BlobEndpoint.")
        if option == "connection_string" and not key and not signature:
            raise _wrong(option, "it has no way to log in.", "It has AccountKey or SharedAccessSignature in it.")
        try:
            base64.b64decode(key, validate=True)
        except binascii.Error:
            raise _wrong(
                option, "the key is not Base64.", "Copy it again, up to the equals signs at its end."
            ) from None
        if signature and "sig" not in parse_qs(signature):
            hint = "Copy it again: it goes from 'sv=' or 'sp=' to the end, with 'sig=' in it."
            raise _wrong(option, "it is no shared access signature.", hint)
        # in addresses and answers they stand without what is around them here
        remember(*filter(None, (key, signature, *parse_qs(signature).get("sig", ()), _sent(signature))))
        return cls(name, url, key, signature, option)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def signature_problem(self, right: str = "") -> tuple[str, str]:
        """Return what is wrong with the signature, seen from here, and what to do; empty where nothing is.

        `right` is the letter of the right that was needed.
        """
        given = {name: values[0] for name, values in parse_qs(self.signature).items()}
        renew = f"Make a new one and enter it as {self.option}."
        now = timezone.now()
        if (end := _moment(given.get("se", ""))) is not None and end <= now:
            return f"the shared access signature expired at {end:%Y-%m-%d %H:%M} UTC", renew
        if (begin := _moment(given.get("st", ""))) is not None and begin > now:
            hint = "Check the clock of this machine, or make one that is valid at once."
            return f"the shared access signature is not valid before {begin:%Y-%m-%d %H:%M} UTC", hint
        rights = given.get("sp", "")
        if right and rights and right not in rights:
            return f"the shared access signature has no right to {RIGHTS.get(right, right)} (it has {rights!r})", renew
        return "", ""


def _parts_of(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in filter(None, text.strip().rstrip(";").split(";")):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise _wrong("connection_string", "it is not NAME=VALUE;NAME=VALUE.", "Copy all of it again.")
        parts[name.lower()] = value
    return parts


def _endpoint(parts: Mapping[str, str]) -> str:
    if parts.get("blobendpoint"):
        return parts["blobendpoint"].partition("?")[0]
    scheme = parts.get("defaultendpointsprotocol") or "https"
    return f"{scheme}://{parts.get('accountname', '')}.blob.{parts.get('endpointsuffix') or 'core.windows.net'}"


def _sent(signature: str) -> str:
    """Return the part that nobody may know, as it stands in addresses."""
    return next((part.removeprefix("sig=") for part in signature.split("&") if part.startswith("sig=")), "")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _wrong(option: str, reason: str, hint: str) -> DestinationConfigError:
    message = sentences(f"The option {option!r} of a destination of type 'azure' is wrong: {reason}")
    return DestinationConfigError(message, hint, option)
