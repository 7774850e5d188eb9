"""The interface of a place for archives. A new type is one subclass of `Destination` in one file."""

import hashlib
import io
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Self

from django import forms
from django.core.exceptions import ValidationError

from destinations.backends.paths import part_name, part_token, validate_path, validate_prefix
from destinations.exceptions import DestinationConfigError, NotFound, VerificationFailed
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences
from destinations.lib.streams import Sink

__all__ = [
    "BLOCK_SIZE",
    "Destination",
    "Progress",
    "StoredFile",
    "TestStep",
    "part_name",
    "part_token",
    "validate_path",
    "validate_prefix",
]

BLOCK_SIZE = 1024 * 1024

Progress = Callable[[int], None]


@dataclass(frozen=True)
class StoredFile:
    """A file in a destination. `modified_at` is the other side's clock: for display, never for decisions."""

    path: str
    size_bytes: int
    modified_at: datetime | None


@dataclass(frozen=True)
class TestStep:
    name: str
    detail: str

    __test__ = False  # not a test class, whatever pytest reads into the name


class _Enough(Exception):  # noqa: N818 - not an error
    """Ends a `get` of which only the beginning is needed."""


class _Beginning:
    def __init__(self, length: int) -> None:
        self._length = length
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data[: self._length - len(self.data)]
        if len(self.data) == self._length:
            # an exception is what ends a `get` before the end of the file
            raise _Enough
        return len(data)


class Destination(ABC):
    """An open destination. One per job: it is never shared between threads.

    Every method raises a subclass of `DestinationError`; what `source`, `sink` and `progress` raise passes unchanged.
    """

    type: ClassVar[str]
    label: ClassVar[str]
    off_box: ClassVar[bool]
    secret_options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: Mapping[str, object], *, established: bool = False) -> None:
        """Take options in plain text. `established` says that archives were stored here before, so that a place
        which turns up missing or empty is an error instead of a fresh start."""
        self.options = self.clean(config)
        self.established = established

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  # types without a connection have nothing to close
        """Release connections. Closing twice is fine."""

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def fields(cls) -> dict[str, forms.Field]:
        """Return a new form field for each option, in the order of the form."""

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        """Return options to use where the operator left them blank; `name` is that of the destination."""
        return {}

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        """Return `options`, normalised, after the checks that no single field can make; nothing is connected to."""
        return options

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        """Return every option validated; raise `DestinationConfigError` for an unknown, missing or wrong one."""
        fields = cls.fields()
        for option in config:
            if option not in fields:
                raise DestinationConfigError(
                    f"A destination of type {cls.type!r} has no option {option!r}.",
                    f"Its options are: {', '.join(fields)}.",
                    option,
                )
        values: dict[str, object] = {}
        for option, field in fields.items():
            try:
                values[option] = field.clean(config.get(option, field.initial))
            except ValidationError as error:
                # A field's own message may repeat the value.
                reason = "it is missing or not valid." if option in cls.secret_options else " ".join(error.messages)
                raise DestinationConfigError(
                    sentences(f"The option {option!r} of a destination of type {cls.type!r} is wrong: {reason}"),
                    sentences(str(field.help_text)),
                    option,
                ) from None
        return cls.check_options(values)

    @abstractmethod
    def location(self) -> str:
        """Return where this is, for people and to compare two destinations; without secrets."""

    def folder(self) -> Path | None:
        """Return the folder of this machine that holds the archives; None where they are somewhere else."""
        return None

    def exposure(self, path: str) -> str:
        """Return a sentence when the storage lets others read the file `path` than was asked for; "" when it does not.

        Raises `NotFound`.
        """
        return ""

    def is_same_place(self, other: "Destination") -> bool:
        """True when what is stored in one is found in the other: two spellings of one place."""
        return self.type == other.type and self.location() == other.location()

    # --- files ----------------------------------------------------------------------------------------------------
    @abstractmethod
    def put(
        self,
        source: BinaryIO,
        path: str,
        *,
        size: int,
        token: str,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> StoredFile:
        """Store `size` bytes of `source` as `path`, whole and verified, or leave neither the name nor its `.part`.

        The bytes go to a temporary name that holds `token` (the id of the backup, see `sweep`), are read back
        and compared in size and, where given, `sha256` (hex), and then become visible in one step.
        `progress` is called with the bytes of each block written, about a MiB, and 0 for each block read back; an
        exception from it cancels the upload. Raises `NameTaken` when `path` exists and `VerificationFailed` on a
        difference.
        """

    @abstractmethod
    def get(self, path: str, sink: Sink, *, progress: Progress | None = None) -> int:
        """Write the file to `sink` in blocks and return its size in bytes. Raises `NotFound`."""

    def head(self, path: str, length: int) -> bytes:
        """Return the first `length` bytes of the file, all of a shorter one; little more is fetched.

        Close the destination afterwards: its connection may stand in the middle of a file. Raises `NotFound`.
        """
        sink = _Beginning(length)
        with suppress(_Enough):
            self.get(path, sink)
        return sink.data

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below the folder `prefix`, at any depth, sorted by folder and name.

        Uploads under way are hidden. A folder that cannot be read raises; it never reads as an empty one.
        """

    @abstractmethod
    def list_partials(self) -> Iterator[StoredFile]:
        """Yield the temporary files of uploads under way or interrupted."""

    @abstractmethod
    def stat(self, path: str) -> StoredFile:
        """Return the present size and time of the file, never from a cache. Raises `NotFound`."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete the file and verify that it is gone. Raises `NotFound` when it was not there."""

    @abstractmethod
    def delete_partial(self, path: str) -> None:
        """Delete a temporary file that `list_partials` named; no error when it is gone already."""

    @abstractmethod
    def free_space(self) -> int | None:
        """Return the bytes that are free, or None where that is not known."""

    def require_reachable(self) -> None:
        """Raise `DestinationError` when an upload could not even begin; nothing is written."""
        with suppress(NotFound):
            self.stat(f"connection-test-{secrets.token_hex(8)}.bin")

    def sweep(self, token: str) -> tuple[str, ...]:
        """Delete the partial uploads of the backup `token`, and return their paths."""
        mine = [
            partial.path for partial in self.list_partials() if part_token(partial.path.rpartition("/")[2]) == token
        ]
        for path in mine:
            self.delete_partial(path)
        return tuple(mine)

    def test(self) -> tuple[TestStep, ...]:
        """Write a small file, read it back, compare and delete it. Raises `DestinationError` at the first failure."""
        payload = secrets.token_bytes(64 * 1024)
        token = secrets.token_hex(8)
        path = f"connection-test-{token}.bin"
        stored = self.put(
            io.BytesIO(payload), path, size=len(payload), token=token, sha256=hashlib.sha256(payload).hexdigest()
        )
        try:
            exposure = self.exposure(path)
            sink = io.BytesIO()
            self.get(path, sink)
            if sink.getvalue() != payload:
                raise VerificationFailed(
                    f"The test file {path} at {self.location()} reads back differently from what was written.",
                    "Do not rely on this destination before its storage is repaired.",
                )
        finally:
            self.delete(path)
        free = self.free_space()
        return (
            TestStep("write", f"{stored.size_bytes} bytes at {self.location()}"),
            TestStep("read back", "the same bytes"),
            TestStep("delete", "the test file is gone"),
            TestStep("free space", "not reported" if free is None else human_size(free)),
            *([TestStep("modes", exposure)] if exposure else []),
        )
