"""An encryption program of a few lines."""

import os
import sys
from pathlib import Path

from backups.archive.encryption import Program
from backups.archive.tar.read import verify_members
from backups.archive.tar.write import write_archive
from tests.support.archives.crafted import manifest_of, parts_of

MIB = 1 << 20
SEVERAL_BLOCKS = {"big.db": os.urandom(3 * MIB + 17)}


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


def sealed(encrypt: list[str], tmp_path: Path, files: dict[str, bytes] = SEVERAL_BLOCKS) -> Path:
    archive = tmp_path / "archive.tar.gz.flip"
    with archive.open("wb", buffering=0) as target:
        program = Program(encrypt=encrypt)
        write_archive(target, manifest_of(files), parts_of(files, tmp_path / "parts"), wrap=program.writer)
    return archive


def opened(decrypt: list[str], archive: Path) -> object:
    with archive.open("rb", buffering=0) as source, Program(decrypt=decrypt).reader(source) as plain:
        return verify_members(plain)
