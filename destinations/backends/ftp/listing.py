"""One line of a listing: MLSD (RFC 3659), or LIST as Unix and Windows servers write it."""

import re
from contextlib import suppress
from datetime import UTC, datetime

from destinations.backends.remote import Entry

_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxsStTlL]{9}\S?(?=\s)"
    # links, owner and group, which may hold spaces; then the size
    r".*?\s(?P<size>\d+)\s+"
    r"(?:[^\W\d]\S*\s+\d{1,2}|\d{1,2}\.?\s+[^\W\d]\S*|\d{4}-\d\d-\d\d)\s+(?:\d{1,2}:\d\d|\d{4})\s"
    r"(?P<name>.+)",
    re.DOTALL,
)
_WINDOWS = re.compile(
    r"\d\d[-/.]\d\d[-/.]\d{2,4}\s+\d\d:\d\d\s?(?:[AaPp][Mm])?\s+(?:(?P<folder><[A-Z]+>)\s+|(?P<size>\d+)\s)(?P<name>.+)",
    re.DOTALL,
)
_TIME = re.compile(r"[0-9]{14}")
_NUMBER = re.compile(r"[0-9]{1,19}")


def parse_time(text: str) -> datetime | None:
    """Return the moment of MDTM or MLSD, which is UTC; None when it is none."""
    found = _TIME.match(text.strip())
    with suppress(ValueError):
        return datetime.strptime(found[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    return None


def parse_mlsd(line: str) -> Entry | None:
    """Return what a line of MLSD says; None for the folder itself. Raises `ValueError`."""
    # the facts hold no space, and the name is all behind the first one
    facts, space, name = line.partition(" ")
    if not space or not name:
        raise ValueError(line)
    values = {fact.lower(): value for fact, _, value in (part.partition("=") for part in facts.split(";"))}
    kind = values.get("type", "").lower()
    if kind in ("cdir", "pdir") or name in (".", ".."):
        return None
    size = values.get("size", "0")
    return Entry(
        name,
        int(size) if _NUMBER.fullmatch(size) else 0,
        parse_time(values.get("modify", "")),
        is_file=kind == "file",
        is_folder=kind == "dir",
        is_link="link" in kind,
    )


def parse_list(line: str) -> Entry | None:
    """Return what a line of LIST says; None for one without a file. Raises `ValueError`.

    LIST tells times without a zone and without seconds: there is none in the entry.
    """
    if not line or re.fullmatch(r"total:? \d+.*", line):
        return None
    if found := _UNIX.fullmatch(line):
        kind, name = found["kind"], found["name"]
        if kind == "l":
            name = name.partition(" -> ")[0]
        entry = Entry(name, int(found["size"]), None, kind == "-", kind == "d", kind == "l")
    elif found := _WINDOWS.fullmatch(line):
        folder, size = found["folder"], int(found["size"] or 0)
        entry = Entry(found["name"], size, None, folder is None, folder == "<DIR>", folder not in (None, "<DIR>"))
    else:
        raise ValueError(line)
    return None if entry.name in (".", "..") else entry
