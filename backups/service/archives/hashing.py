"""A sink that hashes what passes, and keeps it where there is something to keep it in."""

import hashlib

from backups.archive.minisign import new_digest
from destinations.lib.streams import Sink


class HashingSink:
    """`target` is written to when it is given; `sha256` is of everything that passed, `blake2b` too with `signed`."""

    def __init__(self, target: Sink | None = None, *, signed: bool = False) -> None:
        self.target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self._signed = signed

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        if self._signed:
            self.blake2b.update(data)
        return len(data) if self.target is None else self.target.write(data)
