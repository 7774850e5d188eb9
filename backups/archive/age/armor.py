"""Reading of ASCII armour: strict PEM (RFC 7468, figure 3), LF or CRLF, white space before and after."""

import io
from typing import Any

from backups.archive.age.errors import AgeArmorError
from backups.archive.age.header import PREAMBLE
from backups.archive.age.streams import borrow
from backups.archive.base64 import decode_base64
from destinations.lib.streams import Source

_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"
_MAX_WHITESPACE = 1024
_COLUMNS = 64
_LINE_LIMIT = _COLUMNS + len(b"\r\n") + 1
_LINES_AT_ONCE = 1024


def _malformed(reason: str) -> AgeArmorError:
    return AgeArmorError(
        f"The armour of the age file is malformed: {reason}.", hint="Fetch the file again, as a binary file."
    )


def _strip_newline(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


class _ArmorReader(io.RawIOBase):
    """The binary file in an armoured one, decoded as it is read; raises AgeArmorError."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self._decoded = memoryview(b"")
        self._ended = False
        room = _MAX_WHITESPACE
        while not (line := source.readline(room + len(_BEGIN) + 2)).strip():
            room -= len(line)
            if not line or room < 0:
                raise _malformed("it does not begin with its BEGIN line")
        if _strip_newline(line) != _BEGIN or not line.endswith(b"\n"):
            raise _malformed("it does not begin with its BEGIN line")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._decoded and not self._ended:
            self._decoded = memoryview(self._decode_lines())
        taken = self._decoded[: len(buffer)]
        buffer[: len(taken)] = taken
        self._decoded = self._decoded[len(taken) :]
        return len(taken)

    def _decode_lines(self) -> bytes:
        encoded: list[bytes] = []
        while len(encoded) < _LINES_AT_ONCE:
            line = _strip_newline(self._source.readline(_LINE_LIMIT))
            if line == _END:
                self._finish()
                break
            encoded.append(line)
            # only the last line may be shorter or padded: the END line must follow it
            if len(line) != _COLUMNS or line.endswith(b"="):
                if not 0 < len(line) <= _COLUMNS or _strip_newline(self._source.readline(_LINE_LIMIT)) != _END:
                    raise _malformed("a line is not of 64 columns, or the END line is missing")
                self._finish()
                break
        try:
            return decode_base64(b"".join(encoded).decode("ascii"), padding=True)
        except ValueError:
            raise _malformed("its base64 is not canonical") from None

    def _finish(self) -> None:
        self._ended = True
        trailing = self._source.read(_MAX_WHITESPACE + 1)
        if trailing.strip() or len(trailing) > _MAX_WHITESPACE:
            raise _malformed("something follows its END line")


def open_binary(source: Source) -> io.BufferedReader:
    """Return a reader of the binary age file in `source`, armoured or not; raises AgeArmorError."""
    reader = borrow(source)
    head = reader.peek(1)[: _MAX_WHITESPACE + len(_BEGIN)]
    # text before the BEGIN line is for the reader to refuse: it says what is wrong
    if head.startswith(PREAMBLE) or not (head.lstrip().startswith(b"-----") or _BEGIN in head):
        return reader
    return io.BufferedReader(_ArmorReader(reader))
