"""The interface of a place for archives. A new type is one subclass of `Destination` in one file."""

import secrets
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self

from destinations.backends.base.head import Beginning, Enough
from destinations.backends.base.options import Options
from destinations.backends.base.place import Place
from destinations.backends.base.records import Step, StoredFile, TestStep, UploadState
from destinations.backends.base.trial import TEST_PREFIX, Trial
from destinations.exceptions import AppendOnly, DestinationConfigError, NotFound
from destinations.lib.streams import Sink
from destinations.transfer.blocks import Progress
from destinations.transfer.paths import part_token, validate_path, validate_prefix


class Destination(Options):
    """An open destination. One per job: it is never shared between threads.

    Every method raises a subclass of `DestinationError`; what `source`, `sink` and `progress` raise passes unchanged.
    """

    # False leaves out the reading back of uploads that only an option asks for
    may_read_back = True
    # bytes of uploads that were read back since it was opened
    bytes_read_back = 0
    # called with 0 while a request waits that has no `progress` of its own; what it raises ends the request
    while_waiting: Progress | None = None
    # what its test found to be free; None where it did not come to that, or the place does not say
    tested_free_bytes: int | None = None

    def __init__(self, config: Mapping[str, object], *, established: bool = False) -> None:
        """Take options in plain text. `established` says that archives were stored here before, so that a place
        which turns up missing or empty is an error instead of a fresh start."""
        self.options = self.clean(config)
        self.established = established
        # whether nothing is deleted here
        self.append_only = bool(self.options.get("append_only"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:  # types without a connection have nothing to close
        """Release connections. Closing twice is fine."""

    @abstractmethod
    def location(self) -> str:
        """Return where this is, for people; without secrets."""

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should know about these options, as whole sentences; nothing is connected to."""
        return ()

    def folder(self) -> Path | None:
        """Return the folder of this machine that holds the archives; None where they are somewhere else."""
        return None

    def reads_back_uploads(self) -> bool:
        """Whether the options ask for reading back each upload from a store that may charge for it."""
        return False

    def exposure(self, path: str) -> str:
        """Return a sentence when the storage lets others read the file `path` than was asked for; "" when it does not.

        Raises `NotFound`.
        """
        return ""

    def is_same_place(self, other: "Destination") -> bool:
        """True when what is stored in one is found in the other: two spellings of one place."""
        return self.canonical_place() == other.canonical_place()

    def canonical_place(self) -> Place:
        """Return where this is, from the options alone: equal for two spellings of one place."""
        return Place((self.type, self.location()))

    def real_place(self) -> Place:
        """Return the same where mounts of this machine give one place several names; no file is looked at."""
        return self.canonical_place()

    @property
    def leaves_this_machine(self) -> bool:
        """True where archives are not lost with this machine: not on a server that runs here."""
        return self.off_box and not self.canonical_place().is_on_this_machine

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
        sink = Beginning(length)
        with suppress(Enough):
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
        locked: a store with versions could hide it then, and would keep it; `AppendOnly` where nothing is deleted."""

    @abstractmethod
    def delete_partial(self, path: str) -> None:
        """Delete a temporary file that `list_partials` named; no error when it is gone already."""

    def require_deletable(self, path: str) -> None:
        """Raise `AppendOnly` where nothing is deleted."""
        if self.append_only:
            raise AppendOnly(
                f"{path} at {self.location()} stays: the destination is append-only.",
                "Its store decides when files go, or whoever may delete there does it.",
            )

    @abstractmethod
    def free_space(self) -> int | None:
        """Return the bytes that are free, or None where that is not known."""

    def require_reachable(self) -> None:
        """Raise `DestinationError` when an upload could not even begin; nothing is written."""
        with suppress(NotFound):
            self.stat(f"{TEST_PREFIX}{secrets.token_hex(8)}.bin")

    def require_writable(self, folder: str, token: str, progress: Progress | None = None) -> str:
        """Raise `DestinationError` when an upload to `folder`, by the backup `token`, could not begin.

        Where that is cheap an upload is begun and removed. Returns the path of what could not be removed, else "".
        """
        self.require_reachable()
        return ""

    def sweep(self, token: str, *, planned: Collection[str] = ()) -> tuple[str, ...]:
        """Delete the partial uploads of the backup `token`, and return their paths.

        `planned` are the paths that it was to have, for a store that keeps no token with an upload. Nothing is deleted
        where that is left to the store.
        """
        if self.append_only:
            return ()
        mine = [
            partial.path for partial in self.list_partials() if part_token(partial.path.rpartition("/")[2]) == token
        ]
        for path in mine:
            self.delete_partial(path)
        return tuple(mine)

    # --- locks and versions ---------------------------------------------------------------------------------------
    @property
    def renewed_for(self) -> timedelta | None:
        """For how long from now an archive that retention keeps is to be locked; None where locks are not renewed."""
        return None

    @property
    def cools_after(self) -> timedelta | None:
        """How old an archive is when it is to be moved to a cooler access tier; None where it stays in its own."""
        return None

    def cool(self, path: str) -> None:
        """Move the file to a cooler access tier; one that is in such a tier stays there. Raises `NotFound`."""
        raise DestinationConfigError(
            f"A destination of type {self.type!r} has no access tiers.", "Use a type whose store has them."
        )

    def lock(self, path: str, until: datetime) -> StoredFile:
        """Lock the file until then, or leave a longer lock as it is. Raises `NotFound`."""
        raise DestinationConfigError(
            f"A destination of type {self.type!r} cannot lock files.", "Use one whose store has locks on objects."
        )

    def list_hidden(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below the folder `prefix` that were deleted and that the store still keeps, sorted."""
        validate_prefix(prefix)
        yield from ()

    def restore_hidden(self, path: str, *, size: int | None = None) -> StoredFile:
        """Undo the deletion of a file of `list_hidden`: its newest version, or the newest of that size if there is one.

        Raises `NotFound` when the store does not keep it.
        """
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
        trial = Trial(self)
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
