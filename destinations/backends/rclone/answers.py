"""What rclone prints about a remote and about its files."""

import json
from typing import NamedTuple

from destinations.backends.base import StoredFile
from destinations.lib.moments import from_iso

# checksums that a remote may have, the cheapest first: they have to find accidents, and the archive keeps its SHA-256
HASHES = ("crc32", "sha1", "sha256", "md5")


class Features(NamedTuple):
    """What the storage behind a remote can do."""

    hash: str | None
    tells_free_space: bool
    renames: bool


def features_of(printed: bytes) -> Features:
    """Return what `rclone backend features` says."""
    found = json.loads(printed)
    able = found["Features"]
    return Features(
        next((name for name in HASHES if name in (found.get("Hashes") or ())), None),
        bool(able["About"]),
        bool(able["Move"] or able["Copy"]),
    )


def stored_file(line: bytes, prefix: str) -> StoredFile | None:
    """Return the file of one line of a listing; None for the brackets around them, and for one without a size."""
    text = line.strip().rstrip(b",")
    if not text.startswith(b"{"):
        return None
    item = json.loads(text)
    # documents of some clouds have none
    if int(item["Size"]) < 0:
        return None
    return StoredFile(f"{prefix}{item['Path']}", int(item["Size"]), from_iso(item["ModTime"]))
