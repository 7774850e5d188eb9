"""Encryption programs: streamed both ways, with settings and environment of their own."""

import os
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from backups.archive.encryption import EncryptionError, KeyMatch, Program
from tests.support.archives.crafted import FILES, manifest_of, peak_mebibytes
from tests.support.archives.encryption_program import FLIP, MIB, SEVERAL_BLOCKS, UNFLIP, opened, python, sealed

CANARY = "canary-token-5d1e"


def test_an_archive_goes_through_the_program_and_back(tmp_path: Path) -> None:
    archive = sealed(FLIP, tmp_path)
    assert archive.read_bytes().startswith(b"FLIPPED")
    assert opened(UNFLIP, archive) == manifest_of(SEVERAL_BLOCKS)


def test_an_archive_smaller_than_any_buffer_goes_through_too(tmp_path: Path) -> None:
    assert opened(UNFLIP, sealed(FLIP, tmp_path, dict(FILES))) == manifest_of(FILES)


def test_the_program_gets_none_of_the_settings_of_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKUP_ENCRYPTION_PASSPHRASE", "SECRET_KEY", "SECRET_KEY_FILE", "DATABASE_URL"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "needed")
    with pytest.raises(EncryptionError) as caught:
        sealed(python("stdin.buffer.read(); stderr.write(repr(sorted(os.environ))); sys.exit(1)"), tmp_path)
    names = caught.value.message
    assert "AWS_SECRET_ACCESS_KEY" in names
    assert not any(name in names for name in ("BACKUP_ENC", "'SECRET_KEY", "DATABASE_URL"))


PACK = """
import os, sys, hashlib
sys.path.insert(0, ".")
from pathlib import Path
from backups.archive.tar.write import Part, write_archive
from backups.archive.tar.read import verify_members
from backups.archive.encryption import Program
from tests.support.archives.crafted import manifest_of
from tests.support.archives.encryption_program import FLIP, UNFLIP
from backups.archive.manifest.document import Entry
from dataclasses import replace
path = Path(sys.argv[1])
entry = Entry("big", path.stat().st_size, hashlib.file_digest(path.open("rb"), "sha256").hexdigest(), "data", "shop")
manifest = replace(manifest_of({}), contents=(entry,))
archive = path.with_name("archive")
with archive.open("wb", buffering=0) as target:
    write_archive(target, manifest, [Part(path, "big")], wrap=Program(encrypt=FLIP).writer)
with archive.open("rb", buffering=0) as source, Program(decrypt=UNFLIP).reader(source) as plain:
    verify_members(plain)
"""


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    peaks = []
    for size in (5, 35):
        path = tmp_path / f"random-{size}"
        path.write_bytes(os.urandom(MIB) * size)
        peaks.append(peak_mebibytes(PACK, path))
    assert peaks[1] - peaks[0] < 10


@pytest.mark.parametrize(
    ("head", "name", "mine"),
    [
        (b"whatever", "backup.tar.gz.flip", True),
        (b"whatever", "backup.tar.gz", False),
        (b"\x1f\x8b\x08", "backup.tar.gz.flip", False),
    ],
)
def test_archives_are_recognised_by_their_extension(head: bytes, name: str, mine: bool) -> None:
    assert Program(decrypt=UNFLIP, extension=".flip").recognises(head, name) is mine
    assert not Program(decrypt=UNFLIP).recognises(head, name)


def test_the_beginning_of_an_archive_shows_whether_the_program_opens_it(tmp_path: Path) -> None:
    head = sealed(FLIP, tmp_path).read_bytes()[:MIB]
    assert Program(decrypt=UNFLIP).match_keys(head, whole=False) is KeyMatch.OPENS
    for whole, verdict in ((False, KeyMatch.UNDETERMINED), (True, KeyMatch.LOST)):
        assert Program(decrypt=python("sys.exit(2)")).match_keys(head, whole=whole) is verdict


def test_its_settings_are_those_of_the_site() -> None:
    settings = SimpleNamespace(
        BACKUP_ENCRYPTION_PROGRAM_ENCRYPT=shlex.split("gpg --encrypt -r 'Ada L'"),
        BACKUP_ENCRYPTION_PROGRAM_DECRYPT=[],
        BACKUP_ENCRYPTION_PROGRAM_EXTENSION=".gpg",
    )
    program = Program.configured(settings)
    assert (program.extension, program.recipients, program.metadata()) == (".gpg", (), {"program": "gpg"})
    assert (program.can_encrypt(), program.can_read_back()) == (True, False)
