"""The files, folders and upload sessions of one Dropbox account."""

import datetime
import hashlib
import itertools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK_BYTES = 4 << 20
Json = dict[str, Any]


class ApiError(Exception):
    """The answer 409 of a route: its ``error`` as Dropbox writes unions."""

    def __init__(self, error: Json) -> None:
        super().__init__(str(error))
        self.error = error


def union(*tags: str) -> Json:
    """Return ``path/conflict/file`` as nested tagged unions."""
    head, *rest = tags
    return {".tag": head, head: union(*rest)} if rest else {".tag": head}


def content_hash(path: Path) -> str:
    """https://www.dropbox.com/developers/reference/content-hash"""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(hashlib.sha256(block).digest())
    return whole.hexdigest()


def hash_of(data: bytes) -> str:
    blocks = (data[begin : begin + BLOCK_BYTES] for begin in range(0, len(data), BLOCK_BYTES))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


@dataclass
class Entry:
    path: str
    number: int
    content: Path | None = None
    hash: str = ""

    def metadata(self) -> Json:
        name = self.path.rpartition("/")[2]
        common = {
            "name": name,
            "id": f"id:{self.number:022}",
            "path_lower": self.path.lower(),
            "path_display": self.path,
        }
        if self.content is None:
            return {".tag": "folder", **common}
        stat = self.content.stat()
        when = datetime.datetime.fromtimestamp(stat.st_mtime, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            ".tag": "file", **common, "client_modified": when, "server_modified": when, "rev": f"{self.number:09x}",
            "size": stat.st_size, "is_downloadable": True, "content_hash": self.hash,
        }  # fmt: skip


class Store:
    """Paths are case-insensitive, as those of Dropbox; every method may raise `ApiError`."""

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder, self.quota = folder, quota
        self.lock = threading.RLock()
        self.sessions: dict[str, Path] = {}
        self.closed: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._numbers = itertools.count(1)

    def used(self) -> int:
        return sum(entry.content.stat().st_size for entry in self._entries.values() if entry.content)

    def find(self, path: str, *tags: str) -> Entry:
        """Return the entry at `path`; without one the error says ``not_found`` behind `tags`."""
        if (entry := self._entries.get(path.lower())) is None:
            raise ApiError(union(*tags, "not_found"))
        return entry

    def below(self, path: str, *, recursive: bool) -> list[Entry]:
        if path and self.find(path, "path").content is not None:
            raise ApiError(union("path", "not_folder"))
        begin = f"{path.lower()}/"
        keys = sorted(key for key in self._entries if key.startswith(begin))
        return [self._entries[key] for key in keys if recursive or "/" not in key[len(begin) :]]

    def make_folder(self, path: str) -> Entry:
        if existing := self._entries.get(path.lower()):
            raise ApiError(union("path", "conflict", "file" if existing.content else "folder"))
        self._make_parents(path)
        self._entries[path.lower()] = Entry(path, next(self._numbers))
        return self._entries[path.lower()]

    def write(self, data: bytes) -> Path:
        """Store the bytes of a request, which belong to no entry yet."""
        content = self.folder / f"content-{next(self._numbers)}"
        content.write_bytes(data)
        return content

    def commit(self, content: Path, commit: Json) -> Entry:
        """Make the content a file, under the conditions of a CommitInfo; `mode` update is not supported."""
        path, found = commit["path"], self._entries.get(commit["path"].lower())
        mode = commit.get("mode", "add")
        mode = mode if isinstance(mode, str) else mode[".tag"]
        hashed = content_hash(content)
        if found is not None and (found.content is None or mode != "overwrite"):
            if found.content is not None and found.hash == hashed:
                content.unlink()
                return found
            if not (commit.get("autorename") and found.content is not None):
                reason = union("conflict", "file" if found.content else "folder")
                raise ApiError({".tag": "path", "reason": reason, "upload_session_id": ""})
            stem, dot, ending = path.partition(".")
            path = f"{stem} ({next(self._numbers)}){dot}{ending}"
        if self.used() + content.stat().st_size > self.quota:
            raise ApiError({".tag": "path", "reason": union("insufficient_space"), "upload_session_id": ""})
        self._make_parents(path)
        self._entries[path.lower()] = Entry(path, next(self._numbers), content, hashed)
        return self._entries[path.lower()]

    def delete(self, path: str) -> Json:
        """Delete a file, or a folder with what is in it; return what it was."""
        entry = self.find(path, "path_lookup")
        metadata = entry.metadata()
        for one in [entry, *(self.below(path, recursive=True) if entry.content is None else [])]:
            del self._entries[one.path.lower()]
            if one.content is not None:
                one.content.unlink()
        return metadata

    def move(self, source: str, target: str) -> Entry:
        entry = self.find(source, "from_lookup")
        if existing := self._entries.get(target.lower()):
            raise ApiError(union("to", "conflict", "file" if existing.content else "folder"))
        self._make_parents(target)
        for one in [entry, *(self.below(source, recursive=True) if entry.content is None else [])]:
            del self._entries[one.path.lower()]
            one.path = target + one.path[len(source) :]
            self._entries[one.path.lower()] = one
        return entry

    def start_session(self, data: bytes) -> str:
        content = self.write(data)
        self.sessions[content.name] = content
        return content.name

    def append(self, cursor: Json, data: bytes) -> None:
        """Append to a session at the offset of the cursor."""
        content = self.sessions.get(cursor["session_id"])
        if content is None:
            raise ApiError(union("not_found"))
        if cursor["session_id"] in self.closed and data:
            raise ApiError(union("closed"))
        size = content.stat().st_size
        if cursor["offset"] != size:
            raise ApiError({".tag": "incorrect_offset", "correct_offset": size})
        with content.open("ab") as file:
            file.write(data)

    def finish(self, cursor: Json, commit: Json, data: bytes) -> Entry:
        try:
            self.append(cursor, data)
        except ApiError as error:
            raise ApiError({".tag": "lookup_failed", "lookup_failed": error.error}) from None
        try:
            entry = self.commit(self.sessions[cursor["session_id"]], commit)
        except ApiError as error:
            # here the error of a path has no structure around it, as that of an upload in one request has
            raise ApiError({".tag": "path", "path": error.error["reason"]}) from None
        del self.sessions[cursor["session_id"]]
        return entry

    def _make_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if not parent:
            return
        if found := self._entries.get(parent.lower()):
            if found.content is not None:
                raise ApiError({".tag": "path", "reason": union("conflict", "file"), "upload_session_id": ""})
            return
        self._make_parents(parent)
        self._entries[parent.lower()] = Entry(parent, next(self._numbers))
