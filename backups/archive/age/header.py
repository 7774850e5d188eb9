"""The textual header of an age file: grammar and MAC (C2SP age.md, section "Header")."""

import hmac
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backups.archive.age.errors import DAMAGED_HINT, AgeHeaderError, AgeHeaderMacError
from backups.archive.base64 import decode_base64, encode_base64

PREAMBLE = b"age-encryption.org/"
VERSION_LINE = PREAMBLE + b"v1\n"
# Enough for some 2,600 recipients, and the limit of memory for a hostile header.
MAX_HEADER_BYTES = 256 * 1024
FILE_KEY_BYTES = 16
_COLUMNS = 64
_MAC_MARK = b"---"
_ARGUMENTS = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)\n")
_BODY_LINE = re.compile(rb"([A-Za-z0-9+/]{0,64})\n")
_MAC_LINE = re.compile(rb"--- ([A-Za-z0-9+/]{43})\n")


@dataclass(frozen=True, slots=True)
class Stanza:
    """The file key wrapped for one recipient."""

    arguments: tuple[str, ...]
    body: bytes

    @property
    def type(self) -> str:
        return self.arguments[0]

    def text(self) -> str:
        """Return the lines of the stanza; the body always ends with a line shorter than 64 columns."""
        body = encode_base64(self.body, padding=False)
        lines = [body[start : start + _COLUMNS] for start in range(0, len(body) + 1, _COLUMNS)]
        return "\n".join([f"-> {' '.join(self.arguments)}", *lines, ""])


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header; `authenticated` are the bytes covered by the MAC."""

    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes

    @property
    def size(self) -> int:
        return len(self.authenticated) + len(f" {encode_base64(self.mac, padding=False)}\n")

    def check_mac(self, file_key: bytes) -> None:
        """Raise AgeHeaderMacError unless the header was written with `file_key`."""
        if not hmac.compare_digest(_mac(file_key, self.authenticated), self.mac):
            raise AgeHeaderMacError("The header of the age file was changed after it was written.", hint=DAMAGED_HINT)


def derive_key(secret: bytes, *, salt: bytes = b"", info: bytes) -> bytes:
    """Derive a key of 32 bytes with HKDF-SHA-256."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def _mac(file_key: bytes, authenticated: bytes) -> bytes:
    return hmac.digest(derive_key(file_key, info=b"header"), authenticated, "sha256")


def build_header(stanzas: Sequence[Stanza], file_key: bytes) -> bytes:
    """Return the header with `stanzas`; raises AgeHeaderError when it is longer than `read_header` accepts."""
    authenticated = VERSION_LINE + "".join(stanza.text() for stanza in stanzas).encode("ascii") + _MAC_MARK
    header = authenticated + f" {encode_base64(_mac(file_key, authenticated), padding=False)}\n".encode("ascii")
    if len(header) > MAX_HEADER_BYTES:
        raise AgeHeaderError(
            f"{len(stanzas)} recipients are more than the header of one age file holds.", hint="Use fewer recipients."
        )
    return header


def _malformed(reason: str) -> AgeHeaderError:
    return AgeHeaderError(f"The header of the age file is malformed: {reason}.", hint=DAMAGED_HINT)


class _Lines:
    """Reads the lines of a header up to its limit of size; `raw` keeps them for the MAC."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self.raw = bytearray()

    def read_version(self) -> None:
        """Read the first line; raises AgeHeaderError unless it is that of age v1."""
        # no longer than the expected line: another file may have no line breaks
        line = self._source.readline(len(VERSION_LINE))
        if line.startswith(PREAMBLE) and line != VERSION_LINE:
            raise AgeHeaderError("The age file has another version than v1.", hint="Use a newer age program.")
        if line != VERSION_LINE:
            raise _malformed("it does not begin with the version line")
        self.raw += line

    def read(self) -> bytes:
        room = MAX_HEADER_BYTES - len(self.raw)
        line = self._source.readline(room)
        if not line.endswith(b"\n"):
            raise _malformed(f"it is longer than {MAX_HEADER_BYTES} bytes" if len(line) == room else "it is truncated")
        self.raw += line
        return line


def _decode(text: bytes, what: str) -> bytes:
    try:
        return decode_base64(text.decode("ascii"), padding=False)
    except ValueError:
        raise _malformed(f"{what} is not canonical base64") from None


def read_header(source: io.BufferedReader) -> Header:
    """Parse the header at the start of `source`; raises AgeHeaderError unless it follows the grammar exactly."""
    lines = _Lines(source)
    lines.read_version()
    stanzas: list[Stanza] = []
    while not (line := lines.read()).startswith(_MAC_MARK):
        number = len(stanzas) + 1
        arguments = _ARGUMENTS.fullmatch(line)
        if arguments is None:
            raise _malformed(f"stanza {number} does not begin with its arguments")
        encoded = bytearray()
        last = False
        # a line shorter than 64 columns, possibly empty, ends the body
        while not last:
            match = _BODY_LINE.fullmatch(lines.read())
            if match is None:
                raise _malformed(f"the body of stanza {number} is not base64 that ends with a short line")
            encoded += match[1]
            last = len(match[1]) < _COLUMNS
        body = _decode(bytes(encoded), f"the body of stanza {number}")
        stanzas.append(Stanza(tuple(arguments[1].decode("ascii").split(" ")), body))
    mac = _MAC_LINE.fullmatch(line)
    if mac is None or not stanzas:
        raise _malformed("its last line is not a MAC" if stanzas else "it has no recipient")
    authenticated = bytes(lines.raw[: len(_MAC_MARK) - len(line)])
    return Header(tuple(stanzas), authenticated, _decode(mac[1], "its MAC"))
