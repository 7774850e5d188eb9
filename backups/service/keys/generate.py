"""Generate an age identity and write it to a new file."""

import os
from pathlib import Path

from django.utils import timezone

from backups.archive import age
from backups.errors import BackupError


def create_identity(path: Path) -> str:
    """Write a new identity to `path`, with mode 0600, and return its recipient.

    Raises BackupError when `path` exists or cannot be written; no file is left then.
    """
    identity, recipient = age.generate_identity()
    text = age.format_identity_file(identity, timezone.now())
    try:
        # a file that exists is never overwritten, and no link is followed
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise BackupError(
            f"{path} exists already, and keys are never overwritten.", hint="Give another path."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "w") as file:
            # the umask may have taken bits away from the mode above
            os.fchmod(descriptor, 0o600)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise
    return recipient


def _unwritable(path: Path, error: OSError) -> BackupError:
    return BackupError(f"{path} cannot be written: {error.strerror}.", hint="Give a path in a folder of yours.")
