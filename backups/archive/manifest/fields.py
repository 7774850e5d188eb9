"""Typed access to decoded JSON: a missing field or one of another type raises an error that names it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backups.archive.errors import ArchiveError
from backups.archive.manifest.names import is_flat_name, quoted

DAMAGED_HINT = "The archive is damaged or was not made by a backup program. Use another backup."
MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 8


def parse_json(data: bytes, what: str) -> Any:
    """Decode one JSON document strictly: UTF-8, no duplicate keys, no NaN, no nesting beyond the parser's limit."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise ArchiveError(f"{what} is nested too deeply.", hint=DAMAGED_HINT) from error
    except UnicodeDecodeError as error:
        # Python's own message quotes the content
        raise ArchiveError(f"{what} is not valid JSON: byte {error.start} is not UTF-8.", hint=DAMAGED_HINT) from error
    except ValueError as error:
        raise ArchiveError(f"{what} is not valid JSON: {error}.", hint=DAMAGED_HINT) from error


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {quoted(key)} appears twice in one object")
        result[key] = value
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


class Fields:
    """One JSON object, read field by field; `where` names it in errors (for example ``contents[3]``)."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise wrong(where, "an object", value)
        self._values: Mapping[str, object] = value
        self._where = where

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _get(self, key: str, default: object) -> object:
        if key not in self._values and default is _REQUIRED:
            raise ArchiveError(f"The manifest has no {self._path(key)}.", hint=DAMAGED_HINT)
        return self._values.get(key, default)

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str) -> str:
        return _text(self._get(key, _REQUIRED), self._path(key))

    def optional_text(self, key: str) -> str | None:
        value = self._get(key, None)
        return None if value is None else _text(value, self._path(key))

    def count(self, key: str) -> int:
        return _count(self._get(key, _REQUIRED), self._path(key))

    def optional_count(self, key: str) -> int | None:
        return self.count(key) if self.has(key) else None

    def boolean(self, key: str) -> bool:
        value = self._get(key, _REQUIRED)
        if not isinstance(value, bool):
            raise wrong(self._path(key), "true or false", value)
        return value

    def optional_boolean(self, key: str) -> bool | None:
        return self.boolean(key) if self.has(key) else None

    def section(self, key: str) -> "Fields":
        return Fields(self._get(key, _REQUIRED), self._path(key))

    def objects(self, key: str, *, required: bool = False) -> Iterator["Fields"]:
        for index, value in enumerate(self._list(key, required=required)):
            yield Fields(value, f"{self._path(key)}[{index}]")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key, required=False)
        return tuple(_text(value, f"{self._path(key)}[{index}]") for index, value in enumerate(values))

    def _list(self, key: str, *, required: bool) -> list[object]:
        value = self._get(key, _REQUIRED if required else [])
        if not isinstance(value, list | tuple):
            raise wrong(self._path(key), "a list", value)
        return list(value)

    def counts(self, key: str) -> dict[str, int] | None:
        value = self.mapping(key)
        return None if value is None else {name: _count(n, _inner(self._path(key), name)) for name, n in value.items()}

    def text_mapping(self, key: str) -> dict[str, str] | None:
        value = self.mapping(key)
        return None if value is None else {name: _text(t, _inner(self._path(key), name)) for name, t in value.items()}

    def mapping(self, key: str) -> dict[str, object] | None:
        value = self._get(key, None)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise wrong(self._path(key), "an object", value)
        return {_text(name, self._path(key)): inner for name, inner in value.items()}

    def document(self, key: str) -> dict[str, object] | None:
        """Return an object of nested objects, lists, strings, whole numbers, true, false and null."""
        value = self.mapping(key)
        return (
            None
            if value is None
            else {name: _plain(inner, _inner(self._path(key), name)) for name, inner in value.items()}
        )


_REQUIRED = object()


def _inner(where: str, name: str) -> str:
    # a key that is data (the name of a table), not of the format: it may hold any characters
    return f"{where}.{name if is_flat_name(name) else quoted(name)}"


def wrong(where: str, wanted: str, value: object) -> ArchiveError:
    found = "null" if value is None else type(value).__name__
    return ArchiveError(f"The manifest's {where or 'top level'} must be {wanted}, not {found}.", hint=DAMAGED_HINT)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise wrong(where, "a string", value)
    # NUL and lone surrogates cannot be stored in every database nor printed
    if not value.isprintable() and ("\0" in value or any("\ud800" <= character <= "\udfff" for character in value)):
        raise ArchiveError(f"The manifest's {where} holds characters that are not text.", hint=DAMAGED_HINT)
    return value


def _count(value: object, where: str) -> int:
    # not isinstance: True is an int
    if type(value) is not int:
        raise wrong(where, "a whole number", value)
    if not 0 <= value <= MAX_INTEGER:
        raise ArchiveError(f"The manifest's {where} is out of range.", hint=DAMAGED_HINT)
    return value


def _plain(value: object, where: str, depth: int = 1) -> object:
    if depth > MAX_DEPTH:
        raise ArchiveError(f"The manifest's {where} is nested too deeply.", hint=DAMAGED_HINT)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_text(name, where): _plain(item, _inner(where, name), depth + 1) for name, item in value.items()}
    return _count(value, where)
