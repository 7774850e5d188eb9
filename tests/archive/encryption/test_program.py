"""Encryption programs: streamed both ways, their exit status checked, and killed when they stall."""

import io
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from backups.archive.encryption import EncryptionError, KeyMatch, Program
from backups.archive.encryption import process as running
from backups.archive.tar.read import verify_members
from backups.archive.tar.write import write_archive
from tests.support.archives.crafted import FILES, manifest_of, parts_of, peak_mebibytes

MIB = 1 << 20
SEVERAL_BLOCKS = {"big.db": os.urandom(3 * MIB + 17)}
CANARY = "canary-token-5d1e"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import sys, os, time\nfrom sys import stdin, stdout, stderr\n{code}"]


# inverts every bit, after a header
FLIP = python(
    "table = bytes(255 - n for n in range(256))\n"
    "stdout.buffer.write(b'FLIPPED')\n"
    "while data := stdin.buffer.read(65536): stdout.buffer.write(data.translate(table))"
)
UNFLIP = python(
    "table = bytes(255 - n for n in range(256))\n"
    "assert stdin.buffer.read(7) == b'FLIPPED'\n"
    "while data := stdin.buffer.read(65536): stdout.buffer.write(data.translate(table))"
)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def sealed(encrypt: list[str], tmp_path: Path, files: dict[str, bytes] = SEVERAL_BLOCKS) -> Path:
    archive = tmp_path / "archive.tar.gz.flip"
    with archive.open("wb", buffering=0) as target:
        program = Program(encrypt=encrypt)
        write_archive(target, manifest_of(files), parts_of(files, tmp_path / "parts"), wrap=program.writer)
    return archive


def opened(decrypt: list[str], archive: Path) -> object:
    with archive.open("rb", buffering=0) as source, Program(decrypt=decrypt).reader(source) as plain:
        return verify_members(plain)


def test_an_archive_goes_through_the_program_and_back(tmp_path: Path) -> None:
    archive = sealed(FLIP, tmp_path)
    assert archive.read_bytes().startswith(b"FLIPPED")
    assert opened(UNFLIP, archive) == manifest_of(SEVERAL_BLOCKS)


def test_an_archive_smaller_than_any_buffer_goes_through_too(tmp_path: Path) -> None:
    assert opened(UNFLIP, sealed(FLIP, tmp_path, dict(FILES))) == manifest_of(FILES)


FAILURES = {
    "an exit status": ("stdin.buffer.read(); stdout.write('x'); sys.exit(3)", "failed with exit status 3"),
    "a signal": ("stdin.buffer.read(); stdout.flush(); os.kill(os.getpid(), 9)", "was ended by signal 9"),
    "an end at once": ("", "ended before it had read everything"),
    "an end in the middle": ("stdin.buffer.read(100_000)", "ended before it had read everything"),
    "no output": ("stdin.buffer.read()", "wrote nothing"),
    "the archive as it was": ("stdout.buffer.write(stdin.buffer.read())", "wrote the archive as it was"),
    "a complaint": (
        f"stderr.write('no public key\\nfor bob, token={CANARY}\\n'); stdin.buffer.read(); sys.exit(2)",
        "failed with exit status 2: no public key for bob, token=[hidden]",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_program_that_fails_is_named_with_its_standard_error(tmp_path: Path, name: str) -> None:
    code, message = FAILURES[name]
    with pytest.raises(EncryptionError) as caught:
        sealed(python(code), tmp_path)
    assert caught.value.message.removesuffix(".") == f"The program {Path(sys.executable).name} {message}"
    assert CANARY not in repr(caught.value)
    assert "docs/encryption.md" in caught.value.hint


def test_endless_standard_error_neither_blocks_nor_fills_the_memory(tmp_path: Path) -> None:
    noise = "\nfor _ in range(300): stderr.write('x' * 10_000)\n"
    assert opened(UNFLIP, sealed([*FLIP[:2], noise.join(FLIP[2].rsplit("\n", 1))], tmp_path)) is not None
    with pytest.raises(EncryptionError) as caught:
        sealed(python(f"{noise}stdin.buffer.read(); sys.exit(1)"), tmp_path)
    assert len(caught.value.message) < 2200


def test_a_program_that_writes_before_it_reads_does_not_block(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="failed with exit status 1"):
        sealed(python("stdout.write('x' * 5_000_000); stdin.buffer.read(); sys.exit(1)"), tmp_path)


def test_a_program_that_does_nothing_is_killed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(running, "POLL_SECONDS", 0.05)
    for code in (
        "time.sleep(60)",
        "stdin.buffer.read(); time.sleep(60)",
        "stdin.buffer.read(); os.close(1); time.sleep(60)",
    ):
        with pytest.raises(EncryptionError, match="did nothing for 0 seconds"):
            sealed(python(code), tmp_path)
    archive = tmp_path / "archive"
    archive.write_bytes(b"x")
    for code in ("time.sleep(60)", "os.close(1); time.sleep(60)"):
        with pytest.raises(EncryptionError, match="did nothing for 0 seconds"):
            opened(python(code), archive)


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_cancelled_backup_kills_the_program_and_all_it_started(tmp_path: Path, compression: str) -> None:
    alive = tmp_path / "alive"
    child = f"import time, pathlib\nwhile True: pathlib.Path({str(alive)!r}).touch(); time.sleep(0.02)"
    code = f"import subprocess; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"

    def cancel(_delta: int) -> None:
        while not alive.exists():
            time.sleep(0.01)
        raise Cancelled

    with pytest.raises(Cancelled):
        write_archive(
            io.BytesIO(), manifest_of(dict(FILES)), parts_of(FILES, tmp_path / "parts"),
            wrap=Program(encrypt=python(code)).writer, progress=cancel, compression=compression,
        )  # fmt: skip
    time.sleep(0.1)
    alive.unlink(missing_ok=True)
    time.sleep(0.1)
    assert not alive.exists()


def test_a_full_disk_is_its_own_error_and_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb", buffering=0) as target:
        write_archive(
            target, manifest_of(SEVERAL_BLOCKS), parts_of(SEVERAL_BLOCKS, tmp_path), wrap=Program(encrypt=FLIP).writer
        )


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="The program /no/such/program cannot be started: No such file"):
        sealed(["/no/such/program"], tmp_path)
    with pytest.raises(EncryptionError, match="The program /no/such/program is not installed"):
        opened(["/no/such/program"], sealed(FLIP, tmp_path))
    with pytest.raises(EncryptionError, match="No program for decryption is configured"):
        opened([], tmp_path / "archive.tar.gz.flip")


def test_a_decryption_that_fails_in_the_end_is_no_archive(tmp_path: Path) -> None:
    archive = sealed(FLIP, tmp_path)
    with pytest.raises(EncryptionError, match="failed with exit status 4: damaged"):
        opened([*UNFLIP[:2], f"{UNFLIP[2]}\nstdout.flush(); stderr.write('damaged'); sys.exit(4)"], archive)
    with pytest.raises(EncryptionError, match="failed with exit status 1"):
        opened(python("sys.exit(1)"), archive)


def test_reading_only_the_beginning_ends_a_program_that_is_still_running(tmp_path: Path) -> None:
    archive = sealed(FLIP, tmp_path)
    with archive.open("rb", buffering=0) as source, Program(decrypt=UNFLIP).reader(source) as plain:
        assert plain.read(2) == b"\x1f\x8b"


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
from tests.archive.encryption.test_program import FLIP, UNFLIP
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
    for size in (5, 60):
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
