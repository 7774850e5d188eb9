"""A remote destination whose server is a dictionary and which fails on demand, for tests of what all types share."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import ClassVar

from django import forms

from destinations.backends.base import StoredFile, UploadState
from destinations.backends.remote import RemoteDestination, Write
from destinations.exceptions import NameTaken, NotFound, VerificationFailed
from destinations.transfer.blocks import BLOCK_SIZE
from destinations.transfer.upload import Upload, Wanted

# by the name of a server: its files by path
SERVERS: dict[str, dict[str, bytes]] = {}


class MemoryRemote(RemoteDestination):
    """`before` is called with the name of each step before it begins, and may raise or block."""

    type = "memory"
    label = "Memory"
    reads_back = True
    resumes = True
    retry_delays = (0.0, 0.0)
    before: ClassVar[Callable[[str], None]] = staticmethod(lambda step: None)

    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return {"server": forms.CharField(), "path": forms.CharField(required=False)}

    @property
    def where(self) -> str:
        return str(self.options["server"])

    def location(self) -> str:
        return f"memory:{self.options['server']}/{self.options['path']}"

    @property
    def files(self) -> dict[str, bytes]:
        return SERVERS.setdefault(self.where, {})

    def _key(self, path: str) -> str:
        return f"{self.options['path']}/{path}"

    def remote_close(self) -> None:
        pass

    def remote_send(self, upload: Upload, state: UploadState) -> None:
        type(self).before("send")
        part = self._key(upload.wanted.part_path)
        begun = self.files.get(part, b"") if state.data.get("begun") else b""
        if begun:
            upload.resumed = True
            upload.seek(len(begun))
        self.files[part] = begun
        state.data["begun"] = True
        state.save(state.data)
        while block := upload.read(BLOCK_SIZE):
            self.files[part] += block
            type(self).before("block")
        upload.require_all_read()

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        type(self).before("try")
        self.files[self._key(upload.wanted.part_path)] = upload.read()
        return True

    def remote_check(self, upload: Upload) -> None:
        type(self).before("check")
        part = upload.wanted.part_path
        if len(self.files[self._key(part)]) != upload.wanted.size:
            raise VerificationFailed("The size differs.", "Try again.")
        if upload.wanted.sha256 and self.must_read_back(upload) and self.hash_of(part) != upload.wanted.sha256:
            raise VerificationFailed("The SHA-256 differs.", "Try again.")

    def remote_publish(self, upload: Upload) -> None:
        type(self).before("publish")
        if self._key(upload.wanted.path) in self.files:
            raise NameTaken("It exists.", "Nothing is overwritten.")
        self.files[self._key(upload.wanted.path)] = self.files.pop(self._key(upload.wanted.part_path))
        type(self).before("published")

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        type(self).before("discard")
        self.files.pop(self._key(wanted.part_path), None)

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        data = self._data(path)
        for begin in range(offset, len(data), BLOCK_SIZE):
            type(self).before("receive")
            write(data[begin : begin + BLOCK_SIZE])

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        own = self._key("")
        for key in sorted(self.files):
            if key.startswith(own + prefix):
                type(self).before("list")
                yield StoredFile(key.removeprefix(own), len(self.files[key]), datetime.now(UTC))

    def remote_stat(self, path: str) -> StoredFile:
        type(self).before("stat")
        return StoredFile(path, len(self._data(path)), datetime.now(UTC))

    def remote_delete(self, path: str) -> None:
        type(self).before("delete")
        self._data(path)
        del self.files[self._key(path)]
        type(self).before("deleted")

    def _data(self, path: str) -> bytes:
        try:
            return self.files[self._key(path)]
        except KeyError:
            raise NotFound(f"There is no file {path} at {self.location()}.", "Check the name.") from None
