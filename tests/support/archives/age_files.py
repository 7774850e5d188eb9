"""What the tests of the age format share: keys, files taken apart into header and chunks, and the age programs."""

import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backups.archive import age
from backups.archive.age.bech32 import encode_bech32
from destinations.lib.streams import write_all
from tests.support.programs import require

# the same in every process of a parallel run, where the tests need the same names
IDENTITY = encode_bech32("age-secret-key-", bytes(range(1, 33))).upper()
OTHER_IDENTITY = encode_bech32("age-secret-key-", bytes(range(33, 65))).upper()
RECIPIENT, OTHER_RECIPIENT = age.recipient_of(IDENTITY), age.recipient_of(OTHER_IDENTITY)
PASSPHRASE = "correct horse battery staple"
CHUNK = 64 * 1024
# not a multiple of a chunk: writes and reads cross their borders
COPY_BYTES = 1_000_003
SEALED = CHUNK + 16
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5_000_003)


def sample(size: int) -> bytes:
    """Return `size` bytes in which no two chunks are equal."""
    return b"".join(number.to_bytes(8, "big") for number in range(size // 8 + 1))[:size]


def encrypt(source: BinaryIO, target: Any, *, recipients: Sequence[str] = (), passphrase: str | None = None) -> None:
    """Encrypt `source` as a backup does, through the writer."""
    with age.EncryptingWriter(target, recipients=recipients, passphrase=passphrase) as writer:
        shutil.copyfileobj(source, writer, COPY_BYTES)


def decrypt(source: BinaryIO, target: Any, *, identities: Sequence[str] = (), passphrases: Sequence[str] = ()) -> None:
    """Decrypt `source` as a restore does, through the reader."""
    reader = age.DecryptingReader(source, identities=identities, passphrases=passphrases)
    while block := reader.read(COPY_BYTES):
        write_all(target, block)


def sealed(data: bytes, *recipients: str, passphrase: str | None = None) -> bytes:
    target = io.BytesIO()
    encrypt(io.BytesIO(data), target, recipients=recipients, passphrase=passphrase)
    return target.getvalue()


def opened(data: bytes, *identities: str, passphrases: tuple[str, ...] = ()) -> bytes:
    target = io.BytesIO()
    decrypt(io.BytesIO(data), target, identities=identities, passphrases=passphrases)
    return target.getvalue()


@dataclass(frozen=True)
class TakenApart:
    """An age file as the attacker sees it."""

    header: bytes
    nonce: bytes
    chunks: list[bytes]

    def put_together(self, *, header: bytes | None = None, chunks: list[bytes] | None = None) -> bytes:
        header = self.header if header is None else header
        return header + self.nonce + b"".join(self.chunks if chunks is None else chunks)


def take_apart(data: bytes) -> TakenApart:
    start = data.index(b"\n", data.index(b"\n--- ") + 1) + 1
    payload = data[start + 16 :]
    chunks = [payload[place : place + SEALED] for place in range(0, len(payload), SEALED)]
    return TakenApart(data[:start], data[start : start + 16], chunks)


def run_age(*arguments: str | Path, data: bytes = b"") -> bytes:
    result = subprocess.run([require("age"), *arguments], input=data, capture_output=True, check=True, timeout=60)
    return result.stdout


def run_age_with_terminal(typed: str, *arguments: str | Path) -> None:
    """Run age under a terminal of its own: it reads passphrases from nothing else."""
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    command = [sys.executable, "-c", spawn, require("age"), *map(str, arguments)]
    result = subprocess.run(command, input=typed.encode(), capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout.decode()


def identity_file(folder: Path, identity: str) -> Path:
    path = folder / "identity.txt"
    path.write_text(f"{identity}\n")
    return path
