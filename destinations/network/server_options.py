"""Options that several types have: a host, a login, and a folder on its server."""

import re
from pathlib import PurePosixPath

from django import forms

from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[?[0-9A-Fa-f:]+(%[A-Za-z0-9._-]+)?\]?")


def check_host(type: str, host: str) -> str:
    """Return `host` in one spelling. Raises `DestinationConfigError`."""
    if _HOST.fullmatch(host) is None:
        raise wrong(type, "host", "it is not a host name or address.", "Give it without a scheme, a user and a port.")
    return host.strip("[]").rstrip(".").lower()


def address(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def place_of_login(type: str, username: str, where: str, folder: str) -> str:
    """Return the location of a folder: one that begins at the folder of the login is none that begins at the root."""
    return f"{type}://{username}@{where}{folder if folder.startswith('/') else f'/~/{folder}'}"


def folder_field(begins: str) -> forms.Field:
    """Return the field `base_path`; `begins` says where the path begins."""
    return forms.CharField(
        label="Folder",
        max_length=1024,
        help_text=f"{begins}; blank takes the name of the destination. Its last part is made when it is missing. It "
        "cannot be changed while archives are there.",
    )


def check_login(type: str, options: dict[str, object]) -> None:
    """Raise `DestinationConfigError` for a user name or password that would end the command that it stands in."""
    for option in ("username", "password"):
        if any(character < " " for character in str(options[option] or "")):
            raise wrong(type, option, "it holds a character that no login has.", "Type it again.")


def check_folder(type: str, path: str) -> str:
    """Return `path` without what it could be written without. Raises `DestinationConfigError`."""
    # a shell means the folder of the login by it, and a server a folder of that name
    plain = path.removeprefix("~/") if path.startswith("~/") else path
    parts = PurePosixPath(plain).parts
    if ".." in parts or plain.startswith("~") or not plain.isprintable() or "\\" in plain:
        hint = "Use '/' between names, without '..' and without '\\'."
        raise wrong(type, "base_path", "it is not the path of a folder.", hint)
    if not [part for part in parts if part != "/"]:
        raise wrong(type, "base_path", "it names no folder.", "Give archives a folder of their own.")
    # "//" at the beginning is the root as well
    return str(PurePosixPath(plain)).replace("//", "/")


def wrong(type: str, option: str, reason: str, hint: str) -> DestinationConfigError:
    """Return the error of one option; `reason` is a part of a sentence and never the value of a secret."""
    message = sentences(f"The option {option!r} of a destination of type {type!r} is wrong: {reason}")
    return DestinationConfigError(message, hint, option)
