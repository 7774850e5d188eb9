"""Private keys and known_hosts files, read when a connection needs them."""

from pathlib import Path

import asyncssh

from destinations.backends.sftp import host_keys
from destinations.exceptions import DestinationConfigError

_OPTION, _UNLOCKED_BY = "private_key", "private_key_passphrase"


def load_private_key(text_or_path: str, passphrase: str) -> asyncssh.SSHKey:
    """Return the private key. Raises `DestinationConfigError`, which repeats nothing of it."""
    text = text_or_path
    if "-----BEGIN" not in text:
        try:
            text = Path(text_or_path).read_text()
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
        return asyncssh.read_known_hosts(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a line of it cannot be understood"
        raise DestinationConfigError(
            f"The file of known hosts {path} cannot be read: {reason}.",
            "Give the path of a known_hosts file that the user who runs this program may read.",
            "known_hosts_file",
        ) from error


def _wrong(reason: str, hint: str, option: str = _OPTION) -> DestinationConfigError:
    return DestinationConfigError(f"The private key is not usable: {reason}.", hint, option)
