"""Encryption programs that fail, hang or are cancelled."""

import io
import sys
import time
from pathlib import Path

import pytest

from backups.archive.encryption import EncryptionError, Program
from backups.archive.encryption import process as running
from backups.archive.tar.write import write_archive
from tests.support.archives.crafted import FILES, manifest_of, parts_of
from tests.support.archives.encryption_program import FLIP, SEVERAL_BLOCKS, UNFLIP, opened, python, sealed

CANARY = "canary-token-5d1e"
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
