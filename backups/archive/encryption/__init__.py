"""How archives are encrypted: a kind is one file in this package and one line in `KINDS`. Plain Python."""

from collections.abc import Mapping

from backups.archive.encryption.age_files import Age
from backups.archive.encryption.base import HEAD_BYTES, Encryption, EncryptionError, Verdict
from backups.archive.encryption.program import Program

__all__ = ["HEAD_BYTES", "KINDS", "Age", "Encryption", "EncryptionError", "Program", "Verdict"]

# In the order in which an archive of unknown origin is held against them.
KINDS: Mapping[str, type[Encryption]] = {kind.name: kind for kind in (Age, Program)}
