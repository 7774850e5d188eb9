"""The answer to PROPFIND (RFC 4918), read as it comes."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

QUERY = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    b"<getlastmodified/><quota-available-bytes/></prop></propfind>"
)
# of one text within the answer, in characters
LONGEST_TEXT = 8192
# elements within each other; those of the protocol are six
DEEPEST = 64
# files and folders of one folder
MOST_RESOURCES = 500_000
_DAV = "DAV: "
_WANTED = frozenset({"getcontentlength", "getlastmodified", "quota-available-bytes"})
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass
class Resource:
    """One file or folder. `path` is that of its URL, decoded and without a slash at its end."""

    path: str = ""
    status: int = 200
    is_folder: bool = False
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        return _number(self.properties.get("getcontentlength", "")) or 0

    @property
    def modified_at(self) -> datetime | None:
        with suppress(KeyError, ValueError, TypeError, OverflowError):
            found = parsedate_to_datetime(self.properties["getlastmodified"])
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return None

    @property
    def available(self) -> int | None:
        """The bytes that may still be stored there; servers say a negative number for "no limit"."""
        return _number(self.properties.get("quota-available-bytes", ""))


def _number(text: str) -> int | None:
    # other alphabets have digits too, and some are no numbers
    return int(text) if _NUMBER.fullmatch(text) else None


class Multistatus:
    """Raises `ValueError` for what is no such answer."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        # entities that grow without end need one, and no server has a reason for it
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._open: list[str] = []
        self._text = ""
        self._found: list[Resource] = []
        self._count = 0
        self._resource = Resource()
        self._properties = Resource()

    def feed(self, data: bytes, *, end: bool = False) -> Iterator[Resource]:
        """Yield what is complete; with `end` the answer has to be."""
        try:
            self._parser.Parse(data, end)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
        found, self._found = self._found, []
        yield from found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != f"{_DAV}multistatus":
            raise ValueError(f"it begins with {name!r}")
        if len(self._open) == DEEPEST:
            raise ValueError("it is nested without an end")
        self._open.append(name)
        self._text = ""
        if name == f"{_DAV}response":
            self._resource = Resource()
        elif name == f"{_DAV}propstat":
            self._properties = Resource()
        elif name == f"{_DAV}collection":
            self._properties.is_folder = True

    def _characters(self, text: str) -> None:
        if len(self._text) + len(text) > LONGEST_TEXT:
            raise ValueError("a text has no end")
        self._text += text

    def _end(self, name: str) -> None:
        self._open.pop()
        parent, text = self._open[-1] if self._open else "", self._text.strip()
        self._text = ""
        if name == f"{_DAV}href" and parent == f"{_DAV}response":
            self._resource.path = unquote(urlsplit(text).path, errors="surrogateescape").rstrip("/")
        elif name == f"{_DAV}status":
            part = self._properties if parent == f"{_DAV}propstat" else self._resource
            part.status = (_number(text.split()[1]) if len(text.split()) > 1 else None) or 0
        elif parent == f"{_DAV}prop" and name.removeprefix(_DAV) in _WANTED:
            self._properties.properties[name.removeprefix(_DAV)] = text
        elif name == f"{_DAV}propstat" and self._properties.status == 200:
            # the others say which properties there are not
            self._resource.properties |= self._properties.properties
            self._resource.is_folder |= self._properties.is_folder
        elif name == f"{_DAV}response":
            self._count += 1
            if self._count > MOST_RESOURCES:
                raise ValueError(f"it has more than {MOST_RESOURCES:,} files")
            self._found.append(self._resource)

    def _refuse(self, *declaration: object) -> None:
        raise ValueError("it declares a document type")
