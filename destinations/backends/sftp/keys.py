"""Private keys and known_hosts files, read when a connection needs them."""

import errno
import stat
from pathlib import Path

import asyncssh

from destinations.backends.sftp import host_keys
from destinations.exceptions import DestinationConfigError

_OPTION, _UNLOCKED_BY = "private_key", "private_key_passphrase"
# keys are far smaller, and a known_hosts file of that size has thousands of servers
LARGEST_BYTES = 4 << 20


def load_private_key(text_or_path: str, passphrase: str) -> asyncssh.SSHKey:
    """Return the private key. Raises `DestinationConfigError`, which repeats nothing of it."""
    text = text_or_path
    if "-----BEGIN" not in text:
        try:
            text = _read(Path(text_or_path))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise DestinationConfigError(
                f"The file that the option {_OPTION!r} names cannot be read: {reason}.",
                "Give the path of a private key that the user who runs this program may read.",
                _OPTION,
            ) from None
    # pasted into a form, a key has other line breaks and lacks the last one
    text = "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"
    try:
        key = asyncssh.import_private_key(text, passphrase or None)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        # the texts of these errors quote nothing, but they are the library's own
        if "passphrase must be specified" in str(error).lower():
            raise _wrong("it is protected by a passphrase", "Give that too.", _UNLOCKED_BY) from None
        if passphrase:
            raise _wrong("it cannot be read with this passphrase", "Check key and passphrase.", _UNLOCKED_BY) from None
        raise _wrong("it cannot be read", "Give an Ed25519, ECDSA or RSA key as ssh-keygen makes it.") from None
    if key.get_algorithm() not in host_keys.KINDS:
        raise _wrong(f"keys of type {key.get_algorithm()} are not taken", "Make one: ssh-keygen -t ed25519.")
    return key


def read_known_hosts(path: str) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.import_known_hosts(_read(Path(path)))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a line of it cannot be understood"
        raise DestinationConfigError(
            f"The file of known hosts {path} cannot be read: {reason}.",
            "Give the path of a known_hosts file that the user who runs this program may read.",
            "known_hosts_file",
        ) from error


def _read(path: Path) -> str:
    """Return the text of the file. Raises `OSError` and `UnicodeDecodeError`."""
    found = path.stat()
    # a device or a pipe would hold up the connection or fill the memory
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_BYTES:
        raise OSError(errno.EINVAL, "it is no regular file, or much too large")
    return path.read_text()


def _wrong(reason: str, hint: str, option: str = _OPTION) -> DestinationConfigError:
    return DestinationConfigError(f"The private key is not usable: {reason}.", hint, option)
