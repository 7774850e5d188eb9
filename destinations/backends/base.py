"""The interface of a place for archives. A new type is one subclass of `Destination` in one file."""

import hashlib
import io
import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

from django import forms
from django.core.exceptions import ValidationError

from destinations.exceptions import DestinationConfigError, DestinationError, Locked, NotFound, VerificationFailed
from destinations.lib.formats import human_duration, human_size
from destinations.lib.operator_error import sentences
from destinations.lib.streams import Sink
from destinations.transfer.blocks import BLOCK_SIZE, Progress
from destinations.transfer.extras import Extra
from destinations.transfer.paths import part_name, part_token, validate_path, validate_prefix

__all__ = [
    "BLOCK_SIZE",
    "TEST_PREFIX",
    "Destination",
    "PeerKey",
    "Progress",
    "Step",
    "StoredFile",
    "TestStep",
    "UploadState",
    "part_name",
    "part_token",
    "validate_path",
    "validate_prefix",
]

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE_SECONDS = 5
# of the names of what a test stores for a moment
TEST_PREFIX = "connection-test-"

# a step of a test: its name, and what does it and returns what was found
Step = tuple[str, Callable[[], str]]


@dataclass(frozen=True)
class StoredFile:
    """A file in a destination. `modified_at` is the other side's clock: for display, never for decisions.

    `locked_until` is known from `stat` and `put`, listings leave it out.
    """

    path: str
    size_bytes: int
    modified_at: datetime | None
    locked_until: datetime | None = None


@dataclass(frozen=True)
class TestStep:
    """One step of a test: what was done, what was found, and how many seconds it took."""

    name: str
    detail: str
    seconds: float = 0.0

    __test__ = False  # not a test class, whatever pytest reads into the name


@dataclass(frozen=True)
class PeerKey:
    """What a server identifies itself by: `fingerprint` is what a person compares, `value` what is pinned then."""

    kind: str
    fingerprint: str
    value: str


@dataclass
class UploadState:
    """What a type remembers of an upload, so that one that was cut goes on where it ended, in another process too.

    `data` is JSON without secrets, empty at first; `save` keeps it, and is called whenever it has changed.
    """

    data: dict[str, object]
    save: Callable[[dict[str, object]], None]


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
    # packages that only this type needs
    extra: ClassVar[Extra | None] = None
    # whether the store can refuse to delete a file before a moment, whoever asks (see `lock`)
    can_lock: ClassVar[bool] = False
    # options of other programs that `clean` takes where they say what holds anyway, and else refuses by name
    foreign_options: ClassVar[frozenset[str]] = frozenset()
    secret_options: ClassVar[frozenset[str]] = frozenset()
    # the option that holds the key by which the server is recognised, where a person has to confirm one
    pinned_option: ClassVar[str] = ""
    # the options that `fetch_peer_key` needs
    peer_options: ClassVar[tuple[str, ...]] = ()

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
        return cls.check_options({option: cls.clean_option(option, config) for option in fields})

    @classmethod
    def clean_option(cls, option: str, config: Mapping[str, object]) -> Any:
        """Return one option validated; raise `DestinationConfigError` when it is missing or wrong."""
        field = cls.fields()[option]
        try:
            return field.clean(config.get(option, field.initial))
        except ValidationError as error:
            # A field's own message may repeat the value.
            reason = "it is missing or not valid." if option in cls.secret_options else " ".join(error.messages)
            raise DestinationConfigError(
                sentences(f"The option {option!r} of a destination of type {cls.type!r} is wrong: {reason}"),
                sentences(str(field.help_text)),
                option,
            ) from None

    @classmethod
    def lacks_pin(cls, config: Mapping[str, object]) -> bool:
        """Whether a key has to be fetched and confirmed before `config` can be used."""
        return bool(cls.pinned_option) and not str(config.get(cls.pinned_option) or "").strip()

    @classmethod
    def pinned_keys(cls, value: str) -> "tuple[PeerKey, ...]":
        """Return the keys in a value of `pinned_option`. Raises `DestinationConfigError`."""
        return ()

    @classmethod
    def fetch_peer_key(cls, config: Mapping[str, object]) -> PeerKey:
        """Ask the server of `config` for its key. Nothing vouches for it: a person compares it before it is pinned.

        Raises `DestinationError`.
        """
        raise NotImplementedError

    @abstractmethod
    def location(self) -> str:
        """Return where this is, for people and to compare two destinations; without secrets."""

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should know about these options, as whole sentences; nothing is connected to."""
        return ()

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
        state: UploadState | None = None,
    ) -> StoredFile:
        """Store `size` bytes of `source` as `path`, whole and verified, or leave neither the name nor its `.part`.

        The bytes go to a temporary name that holds `token` (the id of the backup, see `sweep`), are read back
        and compared in size and, where given, `sha256` (hex), and then become visible in one step.
        `progress` is called with the bytes of each block written, about a MiB, and 0 for each block read back; an
        exception from it cancels the upload. With `state`, a type that can resume leaves what it has sent when the
        connection is lost for good (`ConnectionLost`), and the next call with the same state goes on from there.
        Raises `NameTaken` when `path` exists and `VerificationFailed` on a difference.
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
        """Delete the file and verify that it is gone. Raises `NotFound` when it was not there, `Locked` while it is
        locked: a store with versions could hide it then, and would keep it."""

    @abstractmethod
    def delete_partial(self, path: str) -> None:
        """Delete a temporary file that `list_partials` named; no error when it is gone already."""

    @abstractmethod
    def free_space(self) -> int | None:
        """Return the bytes that are free, or None where that is not known."""

    def require_reachable(self) -> None:
        """Raise `DestinationError` when an upload could not even begin; nothing is written."""
        with suppress(NotFound):
            self.stat(f"{TEST_PREFIX}{secrets.token_hex(8)}.bin")

    def sweep(self, token: str, *, planned: Collection[str] = ()) -> tuple[str, ...]:
        """Delete the partial uploads of the backup `token`, and return their paths.

        `planned` are the paths that it was to have, for a store that keeps no token with an upload.
        """
        mine = [
            partial.path for partial in self.list_partials() if part_token(partial.path.rpartition("/")[2]) == token
        ]
        for path in mine:
            self.delete_partial(path)
        return tuple(mine)

    # --- locks and versions ---------------------------------------------------------------------------------------
    def lock(self, path: str, until: datetime) -> StoredFile:
        """Lock the file until then, or leave a longer lock as it is. Raises `NotFound`."""
        raise DestinationConfigError(
            f"A destination of type {self.type!r} cannot lock files.", "Use one whose store has locks on objects."
        )

    def list_hidden(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below the folder `prefix` that were deleted and that the store still keeps, sorted."""
        validate_prefix(prefix)
        yield from ()

    def restore_hidden(self, path: str) -> StoredFile:
        """Undo the deletion of a file of `list_hidden`. Raises `NotFound` when the store does not keep it."""
        raise NotFound(
            f"{self.location()}/{validate_path(path)} is not kept.", "This destination keeps nothing that was deleted."
        )

    def lock_steps(self) -> Iterator[Step]:
        """Yield the steps of a test that try to delete what is locked; none where nothing is to be locked."""
        yield from ()

    def connection_steps(self) -> Iterator[Step]:
        """Yield the steps of a test before the first byte is written: each a name and what does it, in order."""
        yield from ()

    def test(self, report: Callable[[TestStep], None] = lambda step: None) -> tuple[TestStep, ...]:
        """Take every step of a backup and a restore with a small file, which is deleted at the end.

        `report` is called after each step. Raises `DestinationError` at the first failure.
        """
        done: list[TestStep] = []
        trial = _Trial(self)
        try:
            for name, step in (*self.connection_steps(), *trial.steps()):
                began = time.monotonic()
                detail = step()
                done.append(TestStep(name, detail, time.monotonic() - began))
                report(done[-1])
        except BaseException:
            trial.clean_up()
            raise
        if trial.exposure:
            done.append(TestStep("modes", trial.exposure))
            report(done[-1])
        return tuple(done)


class _Trial:
    """The small file of a test."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._payload = secrets.token_bytes(64 * 1024)
        self._token = secrets.token_hex(8)
        self._path = f"{TEST_PREFIX}{self._token}.bin"
        self._stored: StoredFile | None = None
        self.exposure = ""

    def steps(self) -> Iterator[Step]:
        yield "write", self._write
        yield "list", self._list
        yield "read back", self._read_back
        yield from self._destination.lock_steps()
        yield "delete", self._delete
        yield "free space", self._free_space
        if self._destination.off_box:
            yield "clock", self._clock

    def clean_up(self) -> None:
        """Delete the file after a step failed, whose error is the one that is raised."""
        if self._stored is None:
            return
        try:
            self._destination.delete(self._path)
        except DestinationError as error:
            logger.warning("destination.test-file-left file=%s error=%r", self._path, error.message)

    def _write(self) -> str:
        digest = hashlib.sha256(self._payload).hexdigest()
        self._stored = self._destination.put(
            io.BytesIO(self._payload), self._path, size=len(self._payload), token=self._token, sha256=digest
        )
        self._modified_at, self._written_at = self._stored.modified_at, datetime.now(UTC)
        return f"{self._stored.size_bytes} bytes at {self._destination.location()}"

    def _list(self) -> str:
        # the first that is found: a listing of many archives takes its time
        if not any(file.path == self._path for file in self._destination.list()):
            raise VerificationFailed(
                f"The test file {self._path} at {self._destination.location()} is not listed.",
                "Give the account the right to list what is stored there.",
            )
        return "the test file is listed"

    def _read_back(self) -> str:
        sink = io.BytesIO()
        self._destination.get(self._path, sink)
        if sink.getvalue() != self._payload:
            raise VerificationFailed(
                f"The test file {self._path} at {self._destination.location()} reads back differently from what was "
                "written.",
                "Do not rely on this destination before its storage is repaired.",
            )
        self.exposure = self._destination.exposure(self._path)
        return "the same bytes"

    def _delete(self) -> str:
        self._stored = None
        try:
            self._destination.delete(self._path)
        except Locked as error:
            # by a rule of the store, for all that is written there
            return f"not possible yet: {error.message}"
        return "the test file is gone"

    def _free_space(self) -> str:
        free = self._destination.free_space()
        return "not reported" if free is None else human_size(free)

    def _clock(self) -> str:
        if self._modified_at is None:
            return "not reported"
        difference = round((self._modified_at - self._written_at).total_seconds())
        # times of files have whole seconds in most protocols
        if abs(difference) <= CLOCK_TOLERANCE_SECONDS:
            return "the same as here"
        return f"{human_duration(abs(difference))} {'ahead of' if difference > 0 else 'behind'} the one here"
