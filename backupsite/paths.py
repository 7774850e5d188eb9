"""The folder of the site's own state, and the secrets generated at its first start."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from backups.archive.minisign import SigningKey

SECRET_KEY, SECRETS_KEY, SIGNING_KEY = "secret_key", "secrets_key", "signing.key"


def private_directory(path: Path) -> Path:
    """Return `path`, created with mode 0700 (parents too) where it does not exist."""
    if not path.is_dir():
        private_directory(path.parent)
        # `mkdir(parents=True)` would create the parents with what the umask allows
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def generated_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret kept in `path`, made once with mode 0600 when the file is absent.

    Two processes that start together get the same: the complete file is linked into place, and the first one wins.
    """
    if not path.exists():
        private_directory(path.parent)
        # complete and flushed before it has its name: half a key would be used from then on
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_text().strip()
    if not secret:
        raise ImproperlyConfigured(
            f"The key file {path} is empty: restore it from a copy, or remove it so that a new key is made."
        )
    return secret


def key_files(home: Path) -> list[Path]:
    """Return the files in which the secrets below are kept."""
    return [home / name for name in (SECRET_KEY, SECRETS_KEY, SIGNING_KEY)]


def secret_key(home: Path) -> str:
    return generated_secret(home / SECRET_KEY, lambda: secrets.token_urlsafe(50))


def secrets_key(home: Path) -> str:
    return generated_secret(home / SECRETS_KEY, lambda: Fernet.generate_key().decode())


def signing_key(home: Path) -> str:
    return generated_secret(home / SIGNING_KEY, lambda: SigningKey.generate().file_text.rstrip())
