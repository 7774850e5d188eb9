"""ASCII armour, reading only: strict PEM (RFC 7468, figure 3), LF or CRLF, white space before and after."""

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
        f"The armour of the age file is malformed: {reason}.", hint="Fetch the file again, as it was written."
    )


def _strip_newline(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _decode(encoded: bytes) -> bytes:
    try:
        return decode_base64(encoded.decode("ascii"), padding=True)
    except ValueError:
        raise _malformed("its base64 is not canonical") from None


class _ArmorReader(io.RawIOBase):
    """The binary file inside an armoured one, decoded as it is read."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self._decoded = memoryview(b"")
        self._ended = False
        self._skip_to_begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._decoded and not self._ended:
            self._decoded = memoryview(self._decode_lines())
        taken = self._decoded[: len(buffer)]
        buffer[: len(taken)] = taken
        self._decoded = self._decoded[len(taken) :]
        return len(taken)

    def _skip_to_begin(self) -> None:
        room = _MAX_WHITESPACE
        while not (line := self._source.readline(room + len(_BEGIN) + 2)).strip():
            room -= len(line)
            if not line or room < 0:
                raise _malformed("it does not begin with its BEGIN line")
        if _strip_newline(line) != _BEGIN or not line.endswith(b"\n"):
            raise _malformed("it does not begin with its BEGIN line")

    def _decode_lines(self) -> bytes:
        """Decode the next lines; only the last line before the END line may be shorter than 64 columns."""
        encoded: list[bytes] = []
        while len(encoded) < _LINES_AT_ONCE:
            line = _strip_newline(self._source.readline(_LINE_LIMIT))
            if line == _END:
                self._finish()
                break
            encoded.append(line)
            if len(line) != _COLUMNS or line.endswith(b"="):
                self._expect_end(line)
                break
        return _decode(b"".join(encoded))

    def _expect_end(self, last: bytes) -> None:
        if not 0 < len(last) <= _COLUMNS:
            raise _malformed("a line is not of 64 columns, or the END line is missing")
        if _strip_newline(self._source.readline(_LINE_LIMIT)) != _END:
            raise _malformed("a line is not of 64 columns, or the END line is missing")
        self._finish()

    def _finish(self) -> None:
        self._ended = True
        trailing = self._source.read(_MAX_WHITESPACE + 1)
        if trailing.strip() or len(trailing) > _MAX_WHITESPACE:
            raise _malformed("something follows its END line")


def open_binary(source: Source) -> io.BufferedReader:
    """Return a reader of the binary age file in `source`, armoured or not; raises AgeArmorError."""
    reader = borrow(source)
    head = reader.peek(1)[: _MAX_WHITESPACE + len(_BEGIN)]
    if head.startswith(PREAMBLE) or not (head.lstrip().startswith(b"-----") or _BEGIN in head):
        return reader
    return io.BufferedReader(_ArmorReader(reader))
