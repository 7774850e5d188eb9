"""Verification of the members of an archive against its manifest, which may come before or after them."""

from collections.abc import Collection
from dataclasses import dataclass

from backups.archive.compression.read import DAMAGED_HINT
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.tar.stream import REFUSED_HINT, Member


class Budget:
    """A limit on the sum of sizes in bytes; None is without limit."""

    def __init__(self, max_bytes: int | None) -> None:
        self._max_bytes = max_bytes
        self._spent = 0

    def spend(self, size: int) -> None:
        self._spent += size
        if self._max_bytes is not None and self._spent > self._max_bytes:
            raise ArchiveError(
                f"The archive holds {self._spent} bytes or more, where {self._max_bytes} are allowed.",
                hint="Free some space, or select fewer components.",
            )


@dataclass(frozen=True, slots=True)
class _Found:
    size: int
    checksum: str


class Verification:
    """Call `expect` before and `record` after each member, `use` for the manifest and `finish` at the end.

    `names` are the selected members, None for all; their sizes are charged to `budget`. All raise ArchiveError.
    """

    def __init__(self, names: Collection[str] | None, budget: Budget) -> None:
        self._names = None if names is None else frozenset(names)
        self._budget = budget
        self._manifest: Manifest | None = None
        self._entries: dict[str, Entry] = {}
        self._found: dict[str, _Found] = {}

    def selects(self, name: str) -> bool:
        return self._names is None or name in self._names

    def use(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._entries = {entry.file: entry for entry in manifest.contents}
        # members that came before the manifest
        for name, found in self._found.items():
            self._check_size(name, found.size)
            self._check_checksum(name, found.checksum)
        for name in self._names or ():
            if name not in self._entries:
                raise ArchiveError(
                    f"The archive holds no file {name!r}.", hint=f"It holds: {', '.join(self._entries)}."
                )
        for name in self._entries.keys() - self._found.keys():
            self._charge(name, self._entries[name].size_bytes)

    def expect(self, member: Member) -> None:
        if self._manifest is None:
            self._charge(member.name, member.size)
        else:
            self._check_size(member.name, member.size)

    def record(self, member: Member, checksum: str) -> None:
        self._found[member.name] = _Found(member.size, checksum)
        if self._manifest is not None:
            self._check_checksum(member.name, checksum)

    def finish(self) -> Manifest:
        if self._manifest is None:
            raise no_manifest()
        for name in self._entries:
            if name not in self._found:
                raise ArchiveError(f"{name} is listed in the manifest but is not in the archive.", hint=DAMAGED_HINT)
        return self._manifest

    def _charge(self, name: str, size: int) -> None:
        if self.selects(name):
            self._budget.spend(size)

    def _check_size(self, name: str, size: int) -> None:
        entry = self._entries.get(name)
        if entry is None:
            raise ArchiveError(f"{name} is in the archive but is not listed in the manifest.", hint=REFUSED_HINT)
        if size != entry.size_bytes:
            raise ArchiveError(
                f"{name} has {size} bytes in the archive, but {entry.size_bytes} in the manifest.", hint=DAMAGED_HINT
            )

    def _check_checksum(self, name: str, checksum: str) -> None:
        if checksum != self._entries[name].checksum_sha256:
            raise ArchiveError(f"{name} in the archive does not have the manifest's SHA-256.", hint=DAMAGED_HINT)


def no_manifest() -> ArchiveError:
    return ArchiveError(
        f"The archive holds no {MANIFEST_NAME}.", hint="It was not made by backupsite or the TACACS+ server."
    )
