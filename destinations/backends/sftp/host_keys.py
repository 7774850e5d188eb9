"""Public host keys as text: the lines of the option `host_key`, and what a person compares. Plain Python."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from destinations.backends.base import PeerKey
from destinations.exceptions import DestinationConfigError

OPTION = "host_key"
KINDS = {
    "ssh-ed25519": "ED25519",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "ssh-rsa": "RSA",
}
_HINT = (
    "Paste what `ssh-keyscan` or a file /etc/ssh/ssh_host_*_key.pub of the server holds, a key a line: "
    "'ssh-ed25519 AAAA...'."
)
_SEPARATORS = re.compile(r"[\r\n,]+")


@dataclass(frozen=True)
class HostKey:
    """A public key: its algorithm, and the key in base64 as OpenSSH writes both."""

    algorithm: str
    blob: str

    @property
    def kind(self) -> str:
        return KINDS[self.algorithm]

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and the digest of the key, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode('ascii').rstrip('=')}"

    @property
    def line(self) -> str:
        return f"{self.algorithm} {self.blob}"

    @property
    def peer_key(self) -> PeerKey:
        return PeerKey(
            self.kind, self.fingerprint, self.line, f"ssh-keygen -lf /etc/ssh/ssh_host_{self.kind.lower()}_key.pub"
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


def parse(text: str) -> tuple[HostKey, ...]:
    """Return the keys of `text`, a line each, with or without the host names of a known_hosts file before them.

    Raises `DestinationConfigError` for anything else, such as a fingerprint alone.
    """
    lines = (line.strip() for line in _SEPARATORS.split(text))
    return tuple(_parse(line) for line in lines if line and not line.startswith("#"))


def _parse(line: str) -> HostKey:
    words = line.split()
    place = next((number for number, word in enumerate(words[:2]) if word in KINDS), None)
    if place is None or len(words) < place + 2:
        problem = "a fingerprint is not enough" if line.startswith("SHA256:") else f"{line[:60]!r} is no public key"
        raise DestinationConfigError(f"The option {OPTION!r} is wrong: {problem}.", _HINT, OPTION)
    algorithm, blob = words[place : place + 2]
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        data = b""
    if not _is_whole(data, algorithm):
        raise DestinationConfigError(
            f"The option {OPTION!r} is wrong: the key of type {algorithm} is cut or damaged.", _HINT, OPTION
        )
    return HostKey(algorithm, blob)


def _is_whole(data: bytes, algorithm: str) -> bool:
    """Whether it is a list of strings, each with its length before it: the algorithm, then what the key consists of.

    Source: RFC 4253, section 6.6.
    """
    parts: list[bytes] = []
    while data:
        length = int.from_bytes(data[:4], "big")
        parts.append(data[4 : 4 + length])
        if len(data) < 4 or len(parts[-1]) < length:
            return False
        data = data[4 + length :]
    return len(parts) == (2 if algorithm == "ssh-ed25519" else 3) and parts[0] == algorithm.encode("ascii")


def listed(keys: tuple[HostKey, ...]) -> str:
    """Return `keys` as words."""
    return ", ".join(map(str, keys)) or "none"
