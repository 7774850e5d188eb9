"""Encryption of archives: each kind is one module of this package and one line in `KINDS`."""

from collections.abc import Mapping

from backups.archive.encryption.age_files import Age
from backups.archive.encryption.base import HEAD_BYTES, Encryption, EncryptionError, KeyMatch
from backups.archive.encryption.program import Program

__all__ = ["HEAD_BYTES", "KINDS", "Age", "Encryption", "EncryptionError", "KeyMatch", "Program"]

# in the order in which they are asked whether they recognise an archive
KINDS: Mapping[str, type[Encryption]] = {kind.name: kind for kind in (Age, Program)}
