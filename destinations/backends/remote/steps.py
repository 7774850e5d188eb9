"""The steps that each type beyond this machine implements, and the options that all of them have."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import ClassVar, TypeVar

from django import forms

from destinations.backends.base import Destination, StoredFile, UploadState
from destinations.exceptions import DestinationError, NotFound
from destinations.transfer.limits import FORM, parse_limits
from destinations.transfer.upload import Upload, Wanted

T = TypeVar("T")
Write = Callable[[bytes], None]


class LimitField(forms.CharField):
    """A bandwidth limit with its windows (see `transfer.limits`)."""

    def clean(self, value: object) -> str:
        text = str(super().clean(value) or "")
        parse_limits(text)
        return text


class RemoteSteps(Destination):
    """The steps that a type implements begin with `remote_`: they run in a thread of their own, one at a time, raise
    `DestinationError` or errors of their library, and are called again after `ConnectionLost`."""

    off_box = True
    # whether an upload is read back unless the option says otherwise: for protocols whose server tells no checksum
    reads_back: ClassVar[bool]
    # whether `must_read_back` makes it compare the whole file with the announced SHA-256: then the source need not be
    # hashed while `read` sends it
    compares_all: ClassVar[bool] = False
    # whether `remote_send` can go on where an earlier upload with the same state ended
    resumes: ClassVar[bool] = False
    # the most bytes of one file that the store takes; None where only its space is a limit
    largest_file: ClassVar[int | None] = None
    # whether deleting is what removes the upload that `require_writable` begins
    try_needs_deletion: ClassVar[bool] = True
    # seconds between the tries of one step
    retry_delays: tuple[float, ...] = (1, 2, 4, 8)

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        """Return a new form field for each option that only this type has, in the order of the form."""

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            **cls.own_fields(),
            "append_only": cls.append_only_field(),
            "timeout": forms.IntegerField(
                label="Timeout",
                min_value=1,
                max_value=600,
                initial=30,
                help_text="Seconds to wait for an answer; four times as long without a byte ends a transfer.",
            ),
            "limit": LimitField(label="Bandwidth limit", required=False, max_length=200, help_text=f"{FORM}"),
            "read_back": forms.BooleanField(
                label="Read back each upload",
                required=False,
                initial=cls.reads_back,
                help_text="Verifies an upload by reading it back, beside size and the checksum of the server where it "
                "has one.",
            ),
        }

    @property
    def timeout(self) -> float:
        return float(str(self.options["timeout"]))

    # --- the steps of a protocol ----------------------------------------------------------------------------------
    @abstractmethod
    def remote_close(self) -> None:
        """Drop the connection at once, also while another thread waits on it; no error when there is none."""

    @abstractmethod
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        """Send all of `upload` to a name or place that no listing shows as a file.

        Read it in order with `read`, or by `part`. Whatever an earlier try left is gone on from or replaced.
        """

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        """Begin `upload`, of one byte, as far as shows that an upload may begin; it is never published.

        Return whether `remote_discard` is to remove anything.
        """
        with suppress(NotFound):
            self.remote_stat(upload.wanted.path)
        self.remote_send(upload, state)
        return True

    @abstractmethod
    def remote_check(self, upload: Upload) -> None:
        """Compare size, and the checksum of the server where it has one, before the upload is published.

        With `must_read_back(upload)` also what is read back (`hash_of`). Raises `VerificationFailed`.
        """

    @abstractmethod
    def remote_publish(self, upload: Upload) -> None:
        """Give the upload its name in one step. Raises `NameTaken` where a file has it."""

    def remote_withdraw(self, upload: Upload) -> None:
        """Delete what was published and could not be verified: the file that is called `upload.published`."""
        self.remote_delete(upload.wanted.path)

    @abstractmethod
    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        """Delete what `remote_send` left and is not published; no error when there is nothing."""

    @abstractmethod
    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        """Call `write` with the bytes of the file from `offset` to its end. Raises `NotFound`."""

    @abstractmethod
    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        """Yield all files below `folder` ("" for all), temporary and foreign ones too, in the order of their paths.

        The order is that of the paths as texts, so that a listing that was cut can go on: a folder `a` is compared as
        `a/`. `prefix` is `folder` with a slash, or "". A folder that does not exist yields nothing; one that cannot be
        read raises.
        """

    @abstractmethod
    def remote_stat(self, path: str) -> StoredFile:
        """Return size and time of the file. Raises `NotFound`."""

    @abstractmethod
    def remote_delete(self, path: str) -> None:
        """Delete the file. Raises `NotFound` when it was not there."""

    def remote_is_empty(self) -> bool:
        """Whether the place is gone or holds nothing at all, foreign files included."""
        return next(iter(self.remote_list("", "")), None) is None

    def remote_free_space(self) -> int | None:
        """Return the bytes that are free, or None where the protocol does not tell."""
        return None

    def remote_room(self, path: str) -> tuple[bool, int | None]:
        """Return whether `path` is in use, and the free space: what an upload asks for before it begins."""
        try:
            self.remote_stat(path)
        except NotFound:
            return False, self.remote_free_space()
        return True, None

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        """Return the error an operator reads for one of the library, met while trying to `action`; None if unknown."""
        return None

    @property
    @abstractmethod
    def where(self) -> str:
        """Host and port, or the name of the store, for errors."""
