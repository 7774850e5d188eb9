"""The options of the type `azure`: the checks that no single field can make, and what is stored with each archive."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from destinations.backends.azure.account import LOGINS, Account
from destinations.backends.azure.fields import LOCK_MODES, option_fields
from destinations.backends.azure.pairs import PairsField
from destinations.backends.base.lock_options import check_locks, lock_time
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences
from destinations.network.endpoint_options import is_of_metadata
from destinations.transfer.paths import validate_prefix
from destinations.transfer.upload import Wanted

TYPE = "azure"
SECRETS = frozenset({"connection_string", "account_key", "sas_token"})
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]*")
_METADATA_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTAINER = re.compile(r"[a-z0-9](-?[a-z0-9])+")
REPLACED = {
    "container_name": "The option is called 'azure_container'.",
    "base_path": "The option is called 'location'.",
    "upload_max_conn": "The option is called 'max_concurrency'.",
    "token_credential": "Use 'use_managed_identity'.",
    "azure_ssl": "Leave it out: connections are encrypted. An endpoint without TLS is given by 'endpoint_url'.",
    "custom_domain": "The option is called 'endpoint_url'.",
    "api_version": "Leave it out: the version is that of the installed package.",
    "object_parameters": "Use 'default_metadata', 'default_tags' and 'access_tier'.",
    "overwrite_files": "Leave it out: nothing is ever overwritten.",
    "client_options": "Use 'endpoint_url', 'verify' and 'timeout'.",
}


METADATA = "it is the address of this machine's metadata service, which is no store."


def refuse_replaced(config: Mapping[str, object]) -> None:
    """Raise `DestinationConfigError` for an option that has another name here, or that nothing can honour."""
    for option, hint in REPLACED.items():
        if option in config:
            raise DestinationConfigError(f"A destination of type {TYPE!r} has no option {option!r}.", hint, option)


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options` normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    given = {name: "" if value is None else str(value).strip() for name, value in options.items()}
    location = given["location"].strip("/")
    try:
        validate_prefix(location)
    except DestinationConfigError as error:
        raise _wrong("location", "it is not the path of a folder.", error.hint) from None
    container = given["azure_container"]
    _require("azure_container", _CONTAINER.fullmatch(container) is not None, "it is not the name of a container.")
    _require("endpoint_url", not given["endpoint_url"] or _is_endpoint(given["endpoint_url"]), "it is no https:// URL.")
    _require(
        "endpoint_suffix",
        re.fullmatch(r"[a-z0-9.-]+", given["endpoint_suffix"] or "x") is not None,
        "it is not the end of a host name.",
    )
    _require(
        "verify",
        given["verify"].lower() not in {"false", "no", "0"},
        "certificates are always verified.",
        "Give the file of the authority that signed that of the store.",
    )
    _check_login(options, given)
    _check_texts(options)
    check_locks(TYPE, options)
    return options | {
        "location": location,
        "endpoint_url": given["endpoint_url"].rstrip("/"),
        "endpoint_suffix": given["endpoint_suffix"] or "core.windows.net",
        "cool_after_days": int(given["cool_after_days"] or 0),
        "lock_mode": given["lock_mode"] or next(iter(LOCK_MODES)),
        "sas_token": given["sas_token"].removeprefix("?"),
        "account_name": given["account_name"].lower(),
    }


def stored_with(options: Mapping[str, object], wanted: Wanted) -> dict[str, Any]:
    """Return what the request that publishes an archive says of it (see `session.Container.commit`)."""
    metadata = PairsField.pairs(options["default_metadata"])
    about: dict[str, Any] = {"metadata": metadata | ({"sha256": wanted.sha256} if wanted.sha256 else {})}
    if tags := PairsField.pairs(options["default_tags"]):
        about["tags"] = tags
    if options["access_tier"]:
        about["tier"] = options["access_tier"]
    if (locked := lock_time(options, wanted.path)) is not None:
        about |= {"locked_until": timezone.now() + locked, "lock_mode": options["lock_mode"]}
    return about


def _check_login(options: Mapping[str, object], given: Mapping[str, str]) -> None:
    ways = [name for name in LOGINS if options[name]]
    if len(ways) != 1:
        raise DestinationConfigError(
            f"A destination of type {TYPE!r} logs in by exactly one of {', '.join(LOGINS)}; "
            f"given are {' and '.join(ways) or 'none of them'}.",
            "Keep one." if ways else "Give one of them.",
            ways[-1] if ways else "connection_string",
        )
    by_string = ways == ["connection_string"]
    _require("account_name", by_string != bool(given["account_name"]), "it goes with all logins but connection_string.")
    _require(
        "managed_identity_client_id",
        not given["managed_identity_client_id"] or ways == ["use_managed_identity"],
        "it goes with use_managed_identity.",
    )
    # its parts are read, and named where they are wrong
    account = Account.of(options)
    host = urlsplit(account.url).hostname or ""
    _require(account.option if by_string else "endpoint_url", not is_of_metadata(host), METADATA)
    if ways == ["use_managed_identity"]:
        _require("endpoint_url", account.url.startswith("https://"), "a managed identity needs https.")


def _check_texts(options: Mapping[str, object]) -> None:
    for key, value in PairsField.pairs(options["default_metadata"]).items():
        fits = _METADATA_KEY.fullmatch(key) is not None and value.isascii() and value.isprintable()
        _require("default_metadata", fits, f"{key!r} is not possible.", "Names are identifiers, values are in ASCII.")
    tags = PairsField.pairs(options["default_tags"])
    _require("default_tags", len(tags) <= 10, f"it has {len(tags)} tags.", "Azure stores at most 10.")
    for key, value in tags.items():
        fits = 0 < len(key) <= 128 and len(value) <= 256 and bool(_TAG.fullmatch(key + value))
        _require("default_tags", fits, f"{key!r} is not possible.", "Use letters, digits, spaces and + - . / : = _.")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.query or parts.fragment or parts.username or parts.password)
        )
    except ValueError:
        return False


def _wrong(option: str, reason: str, hint: str) -> DestinationConfigError:
    message = sentences(f"The option {option!r} of a destination of type {TYPE!r} is wrong: {reason}")
    return DestinationConfigError(message, hint, option)


def _require(option: str, holds: bool, reason: str, hint: str = "") -> None:
    if not holds:
        raise _wrong(option, reason, hint or sentences(str(option_fields()[option].help_text)))
