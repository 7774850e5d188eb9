"""The folder of the site's own state, and the secrets generated at its first start."""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from backups.archive.minisign import SigningKey
from destinations.lib.disks import write_hint
from destinations.lib.operator_error import sentences

SECRET_KEY, SECRETS_KEY, SIGNING_KEY = "secret_key", "secrets_key", "signing.key"
HOME_HINT = "BACKUPSITE_HOME says which folder it is in."


def private_directory(path: Path) -> Path:
    """Return `path`, created with mode 0700 (parents too) where it does not exist."""
    try:
        if not path.is_dir():
            private_directory(path.parent)
            # `mkdir(parents=True)` would create the parents with what the umask allows
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unusable("folder", path, error) from error
    return path


def generated_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret kept in `path`, made once with mode 0600 when the file is absent.

    Raises ImproperlyConfigured when it cannot be made or read; no part of it is left then.
    """
    private_directory(path.parent)
    try:
        if not path.exists():
            _make_once(path, make() + "\n")
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable("file", path, error) from error
    if not secret:
        raise ImproperlyConfigured(
            f"The key file {path} is empty: restore it from a copy, or remove it so that a new key is made."
        )
    return secret


def _make_once(path: Path, text: str) -> None:
    """Make the file `path` in one step. Of two processes that start together, the first one wins."""
    # complete and flushed before it has its name: half a key would be used from then on
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        except OSError as error:
            # a file system without hard links, such as FAT; a full one is another matter
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            _rename_locked(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _rename_locked(draft: Path, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            draft.rename(path)
    finally:
        os.close(folder)


def _unusable(what: str, path: Path, error: OSError | UnicodeDecodeError) -> ImproperlyConfigured:
    if isinstance(error, UnicodeDecodeError):
        return ImproperlyConfigured(f"The {what} {path} is not text. Put back the one that this site made.")
    reason = os.strerror(error.errno or errno.EIO)
    return ImproperlyConfigured(
        sentences(f"The {what} {path} cannot be made or read: {reason}.", write_hint(error, path), HOME_HINT)
    )


def key_files(home: Path) -> list[Path]:
    """Return the files in which the secrets below are kept."""
    return [home / name for name in (SECRET_KEY, SECRETS_KEY, SIGNING_KEY)]


def secret_key(home: Path) -> str:
    return generated_secret(home / SECRET_KEY, lambda: secrets.token_urlsafe(50))


def secrets_key(home: Path) -> str:
    return generated_secret(home / SECRETS_KEY, lambda: Fernet.generate_key().decode())


def signing_key(home: Path) -> str:
    return generated_secret(home / SIGNING_KEY, lambda: SigningKey.generate().file_text.rstrip())
