"""A remote destination in memory whose store locks files and has access tiers; with it tests move the clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from django import forms

from destinations.backends.base import StoredFile
from destinations.backends.base.lock_options import check_locks, lock_fields
from destinations.backends.remote.locks import LockingDestination, require_unlocked
from destinations.exceptions import DestinationUnavailable, NotFound
from tests.support.memory_remote import MemoryRemote

# by the names of files
LOCKS: dict[str, datetime] = {}
HIDDEN: dict[str, bytes] = {}
COOLED: list[str] = []


class LockingRemote(MemoryRemote, LockingDestination):
    type = "locking"
    label = "Memory with locks"
    # paths that the store refuses to lock
    refused: ClassVar[set[str]] = set()

    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        modes = {"strict": "nobody can.", "lax": "some can."}
        cool = {"cool": forms.IntegerField(required=False)}
        return {**super().own_fields(), **lock_fields("Nothing is needed.", modes), **cool}

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        check_locks(cls.type, options)
        return options

    @property
    def cools_after(self) -> timedelta | None:
        return timedelta(days=int(str(self.options["cool"]))) if self.options["cool"] else None

    def cool(self, path: str) -> None:
        self._data(path)
        COOLED.append(path)

    def remote_stat(self, path: str) -> StoredFile:
        stored = super().remote_stat(path)
        return StoredFile(path, stored.size_bytes, stored.modified_at, LOCKS.get(path))

    def remote_delete(self, path: str) -> None:
        self._data(path)
        require_unlocked(path, LOCKS.get(path))
        HIDDEN[path] = self._data(path)
        super().remote_delete(path)

    def remote_lock(self, path: str, until: datetime) -> None:
        if path in self.refused:
            raise DestinationUnavailable(f"{path} cannot be locked.", "Give the account the right.")
        LOCKS[path] = until

    def remote_try_lock(self) -> str:
        return "refused"

    def remote_list_hidden(self, prefix: str) -> Iterator[StoredFile]:
        for path, data in sorted(HIDDEN.items()):
            if path.startswith(prefix):
                yield StoredFile(path, len(data), None)

    def remote_restore_hidden(self, path: str, size: int | None) -> None:
        if path not in HIDDEN:
            raise NotFound(f"{path} is not kept.", "See what is.")
        self.files[self._key(path)] = HIDDEN.pop(path)
