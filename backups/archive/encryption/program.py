"""Encryption by a configured program (gpg, a client of a key service), from standard input to standard output."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from backups.archive.compression.read import GZIP_MAGIC, ZSTD_MAGIC
from backups.archive.encryption.base import Encryption, EncryptionError, KeyMatch
from backups.archive.encryption.pipes import PipedReader, PipedWriter
from backups.archive.encryption.process import environment
from backups.archive.tar.write import EncryptingSink
from destinations.lib.streams import FlushingSink, Source

COMPRESSED = (GZIP_MAGIC, ZSTD_MAGIC)
_DECRYPT_HEAD_SECONDS = 60


class Program(Encryption):
    """Runs the argv lists `encrypt` and `decrypt`; encrypted archives are recognised by their `extension`."""

    name = "program"
    algorithm = "program"
    needs_read_back = True

    def __init__(self, *, encrypt: Sequence[str] = (), decrypt: Sequence[str] = (), extension: str = "") -> None:
        self._encrypt, self._decrypt, self._extension = list(encrypt), list(decrypt), extension

    @classmethod
    def configured(cls, settings: Any, passphrases: Sequence[str] = ()) -> Self:
        return cls(
            encrypt=settings.BACKUP_ENCRYPTION_PROGRAM_ENCRYPT,
            decrypt=settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT,
            extension=settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION,
        )

    @property
    def extension(self) -> str:
        return self._extension

    @property
    def recipients(self) -> tuple[str, ...]:
        return ()

    def can_encrypt(self) -> bool:
        return bool(self._encrypt)

    def can_read_back(self) -> bool:
        return bool(self._decrypt)

    def missing_key(self, recipients: Sequence[str]) -> EncryptionError | None:
        try:
            _require_program(self._decrypt)
        except EncryptionError as error:
            return error
        return None

    def metadata(self) -> dict[str, object]:
        return {"program": Path(self._encrypt[0]).name}

    def check(self) -> None:
        _require_program(self._encrypt)

    def writer(self, target: FlushingSink) -> EncryptingSink:
        return PipedWriter(self._encrypt, target, refused=COMPRESSED)

    def recognises(self, head: bytes, filename: str) -> bool:
        return bool(self._extension) and filename.endswith(self._extension) and not head.startswith(COMPRESSED)

    @contextmanager
    def reader(self, source: BinaryIO) -> Iterator[Source]:
        _require_program(self._decrypt)
        with PipedReader(self._decrypt, source) as plain:
            yield plain

    def match_keys(self, head: bytes, *, whole: bool) -> KeyMatch:
        """Run the program on `head`: one that streams decrypts the beginning of the archive."""
        if not self._decrypt:
            # a host without the key has no program that decrypts
            return KeyMatch.ELSEWHERE
        _require_program(self._decrypt)
        output = b""
        with suppress(subprocess.TimeoutExpired):
            output = subprocess.run(
                self._decrypt, input=head, capture_output=True, check=False, env=environment(),
                timeout=_DECRYPT_HEAD_SECONDS,
                # a signal from the terminal would end the program too, as if the key were lost
                start_new_session=True,
            ).stdout  # fmt: skip
        if output.startswith(COMPRESSED):
            return KeyMatch.OPENS
        return KeyMatch.LOST if whole else KeyMatch.UNDETERMINED


def _require_program(argv: Sequence[str]) -> None:
    if not argv or shutil.which(argv[0]) is None:
        what = f"The program {argv[0]} is not installed" if argv else "No program for decryption is configured"
        raise EncryptionError(
            f"{what}.",
            hint="Set BACKUP_ENCRYPTION_PROGRAM_ENCRYPT and BACKUP_ENCRYPTION_PROGRAM_DECRYPT (docs/encryption.md).",
        )
