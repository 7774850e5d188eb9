"""Reading and validating one key of a table of instances.toml. The functions raise Mistake, which names the key."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from backups.errors import ComponentError, Unresponsive
from backups.lib.in_time import in_time
from backups.lib.paths import Root, confined

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Mistake(Exception):  # noqa: N818 - it becomes a Problem, never an error of the program
    """A mistake at `key` of the table that is being read."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


def text(table: Mapping[str, Any], key: str, *, prefix: str = "", default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise Mistake(prefix + key, "The key is missing.")
    if not isinstance(value, str) or (not value and default is None):
        raise Mistake(prefix + key, "The value must be a text that is not empty.")
    if "\0" in value:
        raise Mistake(prefix + key, "The value must not hold a null character.")
    return value


def flag(table: Mapping[str, Any], key: str, *, default: bool, prefix: str = "") -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise Mistake(prefix + key, "The value must be true or false.")
    return value


def within(root: Root, path: str, key: str) -> Path:
    try:
        return in_time(str(root.folder), lambda: confined(root, path, name="The path"))
    except Unresponsive:
        # every use checks it again; the file of all instances must be readable while one mount does not answer
        return root.on_host(path)
    except ComponentError as error:
        raise Mistake(key, error.message, error.hint) from error


def require_known(table: Mapping[str, Any], known: Collection[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            raise Mistake(prefix + key, "The key is unknown.", f"Use one of {', '.join(sorted(known))}.")
