"""Reading only the beginning of a file."""


class Enough(Exception):  # noqa: N818 - not an error
    """Ends a `get` of which only the beginning is needed."""


class Beginning:
    """A sink that takes the first bytes of a file."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data[: self._length - len(self.data)]
        if len(self.data) == self._length:
            # an exception is what ends a `get` before the end of the file
            raise Enough
        return len(data)
