"""Archives that are taken apart, changed and written anew."""

import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from tests.support.restores.instance_restores import restore, the_restore

Manifest = dict[str, Any]


class Archive:
    """A backup as a file that tests take apart and put together again."""

    def __init__(self, source: Path, target: Path) -> None:
        self.path = target
        with tarfile.open(source) as tar:
            self.members = [(member.name, self._content(tar, member)) for member in tar]
        self.manifest: Manifest = json.loads(dict(self.members)["manifest.json"])

    @staticmethod
    def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        file = tar.extractfile(member)
        assert file is not None
        return file.read()

    def write(self) -> Path:
        with tarfile.open(self.path, "w:gz", compresslevel=1) as tar:
            for name, content in self.members:
                member = tarfile.TarInfo(name)
                data = json.dumps(self.manifest).encode() if name == "manifest.json" else content
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
        return self.path

    def entry(self, file: str) -> Manifest:
        found: Manifest = next(entry for entry in self.manifest["contents"] if entry["file"] == file)
        return found

    def replace(self, file: str, content: bytes) -> None:
        """Put other content in, and let the manifest say so: only a look inside tells."""
        self.members = [(name, content if name == file else data) for name, data in self.members]
        entry = self.entry(file)
        self.manifest["total_size_bytes"] += len(content) - entry["size_bytes"]
        entry |= {"size_bytes": len(content), "checksum_sha256": hashlib.sha256(content).hexdigest()}


def refused(path: Path, **options: object) -> str:
    with pytest.raises((BackupError, ArchiveError)) as error:
        restore(path, **{"accept_unsigned": True, **options})
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message.startswith(error.value.message)
    assert "nothing was changed" in row.error_message.lower()
    assert row.outcome == {}
    return error.value.message
