"""What every type beyond this machine does: a subclass speaks its protocol, in short steps that may block.

Retries, limits, progress, cancel, the end of a transfer that stalls, and the order send, check, publish stand here.
"""

import hashlib
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import BinaryIO, ClassVar, TypeVar

from django import forms

from destinations.backends.base import (
    BLOCK_SIZE,
    Destination,
    Progress,
    StoredFile,
    TestStep,
    UploadState,
    validate_path,
)
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    NotFound,
    VerificationFailed,
)
from destinations.lib.formats import human_duration
from destinations.lib.streams import Sink
from destinations.transfer.blocks import check_free_space, compare
from destinations.transfer.limits import FORM, Throttle, parse_limits
from destinations.transfer.network_errors import from_network_error
from destinations.transfer.paths import is_filename, part_name, part_token, validate_prefix
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import POLL_SECONDS, Aborted, Foreign, Meter, watched

logger = logging.getLogger(__name__)

# files of a listing that are fetched in one step
PAGE = 1000
# how long a cancelled upload may take to remove what it sent; what stays is removed with the partial uploads
DISCARD_SECONDS = 1.0

T = TypeVar("T")
Write = Callable[[bytes], None]


class LimitField(forms.CharField):
    """A bandwidth limit with its windows (see `transfer.limits`)."""

    def clean(self, value: object) -> str:
        text = str(super().clean(value) or "")
        parse_limits(text)
        return text


class RemoteDestination(Destination):
    """The steps that a type implements begin with `remote_`: they run in a thread of their own, one at a time, raise
    `DestinationError` or errors of their library, and are called again after `ConnectionLost`."""

    off_box = True
    # whether an upload is read back unless the option says otherwise: for protocols whose server tells no checksum
    reads_back: ClassVar[bool]
    # whether `remote_send` can go on where an earlier upload with the same state ended
    resumes: ClassVar[bool] = False
    # seconds between the tries of one step
    retry_delays: tuple[float, ...] = (1, 2, 4, 8)

    def __init__(self, config: Mapping[str, object], *, established: bool = False) -> None:
        super().__init__(config, established=established)
        self._throttle = Throttle(parse_limits(str(self.options["limit"])))
        # of the step that runs
        self._meter = Meter()
        self._is_known_to_hold_files = False

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        """Return a new form field for each option that only this type has, in the order of the form."""

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            **cls.own_fields(),
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

    @abstractmethod
    def remote_check(self, upload: Upload) -> None:
        """Compare size, and the checksum of the server where it has one, before the upload is published.

        With `must_read_back(upload)` also what is read back (`hash_of`). Raises `VerificationFailed`.
        """

    @abstractmethod
    def remote_publish(self, upload: Upload) -> None:
        """Give the upload its name in one step. Raises `NameTaken` where a file has it."""

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

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        """Return the error an operator reads for one of the library, met while trying to `action`; None if unknown."""
        return None

    @property
    @abstractmethod
    def where(self) -> str:
        """Host and port, or the name of the store, for errors."""

    # --- the interface --------------------------------------------------------------------------------------------
    def close(self) -> None:
        self.remote_close()

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
        wanted = Wanted(validate_path(path), size, part_name("x", token) and token, sha256)
        kept = state or UploadState({}, lambda data: None)
        upload = Upload(wanted, source, Meter(self._throttle))

        def send() -> None:
            nonlocal upload
            # what a try that was given up may still do has a meter of its own, which was stopped
            upload = upload.again(Meter(self._throttle))
            self._send(upload, kept, progress)

        self._require_files(progress)
        self._require_free(wanted, progress)
        try:
            self._again("upload", send, progress)
            self._publish(upload, progress)
        except BaseException as error:
            # the next call with this state goes on from what is there
            if not (self.resumes and state is not None and isinstance(error, ConnectionLost)):
                self._discard(wanted, kept, at_once=not isinstance(error, DestinationError))
            raise
        stored = self.stat(path)
        # it is not deleted: what has another size may be what somebody else stored there meanwhile
        compare(f"{self.location()}/{path}", "size", size, stored.size_bytes)
        return stored

    def _require_files(self, progress: Progress | None = None) -> None:
        """Raise `DestinationUnavailable` when archives were stored here before and nothing is left of them.

        A disk that is not mounted on the server, or another server, must not look like a fresh start.
        """
        if not self.established or self._is_known_to_hold_files:
            return
        if self._call("look at what is stored", self.remote_is_empty, progress):
            raise DestinationUnavailable(
                f"{self.location()} is gone or empty, although archives were stored there.",
                "See whether the server has its disk mounted and whether the options lead to the same place. If it was "
                "replaced by an empty one on purpose, run 'manage.py testdestination NAME --accept-empty'.",
            )
        self._is_known_to_hold_files = True

    def _require_free(self, wanted: Wanted, progress: Progress | None) -> None:
        try:
            self._call(f"look for {wanted.path}", lambda: self.remote_stat(wanted.path), progress)
        except NotFound:
            check_free_space(self.location(), wanted.size, self.free_space())
        else:
            raise self._taken(wanted)

    def _send(self, upload: Upload, state: UploadState, progress: Progress | None) -> None:
        upload.seek(0)
        self._once(f"upload {upload.wanted.path}", lambda: self.remote_send(upload, state), progress, upload.meter)
        upload.require_whole()
        meter = Meter(self._throttle)
        self._once(f"verify {upload.wanted.path}", lambda: self.remote_check(upload), progress, meter)

    def _publish(self, upload: Upload, progress: Progress | None) -> None:
        """Give the upload its name, once: after a try whose answer was lost, it is looked for there."""
        wanted = upload.wanted
        action = f"name the upload {wanted.path}"
        unclear = False

        def publish() -> None:
            nonlocal unclear
            if unclear and self._is_published(upload, progress):
                return
            try:
                # a store that publishes first is read back in this step
                self._once(action, lambda: self.remote_publish(upload), progress, Meter(self._throttle))
            except (NameTaken, VerificationFailed):
                raise
            except DestinationError:
                unclear = True
                raise

        try:
            self._again(action, publish, progress)
        except VerificationFailed:
            raise
        except DestinationError:
            # of the last try; a name in use may be in use by what an earlier one did
            self.remote_close()
            if not unclear or not self._may_be_published(upload, progress):
                raise

    def _may_be_published(self, upload: Upload, progress: Progress | None) -> bool:
        """Look once more for what was published; the error that made it unclear is the one to raise."""
        try:
            return self._is_published(upload, progress)
        except DestinationError:
            return False

    def _is_published(self, upload: Upload, progress: Progress | None) -> bool:
        wanted = upload.wanted
        try:
            found = self._once(f"look for {wanted.path}", lambda: self.remote_stat(wanted.path), progress, Meter())
        except NotFound:
            return False
        expected = upload.sha256
        if found.size_bytes != wanted.size:
            raise self._taken(wanted)
        digest = self._once(f"read {wanted.path}", lambda: self.hash_of(wanted.path), progress, Meter(self._throttle))
        if expected and digest != expected:
            raise self._taken(wanted)
        return True

    def _taken(self, wanted: Wanted) -> NameTaken:
        return NameTaken(f"{self.location()}/{wanted.path} exists already.", "Nothing is overwritten.")

    def _discard(self, wanted: Wanted, state: UploadState, *, at_once: bool) -> None:
        """Remove what an upload left; the error that ended it is the one that is raised.

        `at_once`: a person or a signal ended it, and no peer that does not answer may hold that up.
        """
        try:
            # an aborted step may have left the connection in the middle of something
            self.remote_close()
            action = f"remove the upload {wanted.part_path}"
            work = partial(self.remote_discard, wanted, state)
            self._once(action, work, None, Meter(), stalled_after=DISCARD_SECONDS if at_once else None)
        except DestinationError as error:
            logger.warning("destination.upload-left file=%s error=%r", wanted.part_path, error.message)

    def must_read_back(self, upload: Upload) -> bool:
        """Whether an upload is to be read back: by option, and always when parts of it were sent by an earlier try."""
        return bool(self.options["read_back"]) or upload.resumed

    def hash_of(self, path: str) -> str:
        """Read the file, temporary or not, and return its SHA-256 (hex); for use inside a step."""
        digest = hashlib.sha256()
        meter = self._meter

        def update(block: bytes) -> None:
            # a file of many gigabytes is read for longer than a step may stand still
            meter.pace(len(block))
            digest.update(block)

        self.remote_receive(path, 0, update)
        return digest.hexdigest()

    def get(self, path: str, sink: Sink, *, progress: Progress | None = None) -> int:
        validate_path(path)
        expected = self.stat(path).size_bytes
        received = 0
        meter = Meter(self._throttle)
        action = f"read {path}"

        def receive() -> None:
            nonlocal meter
            # of this try alone: one that was given up may still have a block to write
            own = Meter(self._throttle)
            own.adjust(meter.take())
            meter = own

            def write(block: bytes) -> None:
                nonlocal received
                # before it is written: the disk here must not fill with what a server sends without an end
                if received + len(block) > expected:
                    compare(f"{self.location()}/{path}", "size", expected, f"{received + len(block)} or more")
                own.count(len(block))
                try:
                    sink.write(block)
                except BaseException as error:
                    raise Foreign(error) from error
                received += len(block)

            # a later try goes on where the one before was cut
            self._once(action, lambda: self.remote_receive(path, received, write), progress, own)

        self._again(action, receive, progress)
        compare(f"{self.location()}/{path}", "size", expected, received)
        return received

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        for file in self._listing(validate_prefix(prefix)):
            if is_listed(file.path):
                yield file

    def list_partials(self) -> Iterator[StoredFile]:
        for file in self._listing(""):
            if part_token(file.path.rpartition("/")[2]) is not None:
                yield file

    def _listing(self, folder: str) -> Iterator[StoredFile]:
        prefix = f"{folder}/" if folder else ""
        return self._paged(f"list {folder or 'the files'}", lambda: self.remote_list(folder, prefix))

    def _paged(self, action: str, begin: Callable[[], Iterator[StoredFile]]) -> Iterator[StoredFile]:
        """Yield the files of `begin`, in the order of their paths, a page at a time.

        A try after a lost connection leaves out what was seen; where the order does not tell what that is, it fails.
        """
        files: Iterator[StoredFile] | None = None
        last = seen = ""
        is_ordered, is_begun_anew = True, False

        def page() -> tuple[list[StoredFile], bool]:
            nonlocal files
            if files is None:
                files = begin()
            found = []
            for file in files:
                found.append(file)
                if len(found) == PAGE:
                    return found, False
            return found, True

        def fetch() -> tuple[list[StoredFile], bool]:
            nonlocal files, seen, is_begun_anew
            try:
                return self._once(action, page, None, Meter())
            except BaseException:
                # where nothing was yielded yet, nothing is left out
                files, seen, is_begun_anew = None, "", is_begun_anew or bool(last)
                raise

        self._require_files()
        end = False
        while not end:
            found, end = self._again(action, fetch, None)
            for file in found:
                is_ordered &= seen <= file.path
                seen = file.path
                if is_begun_anew and not is_ordered:
                    raise DestinationUnavailable(
                        f"Cannot {action} at {self.where}: the listing was cut, and it is in no order by which the "
                        "rest of it could be told from what came before.",
                        "Try again. If it is cut each time, check the network.",
                    )
                # a listing that began anew repeats what came before
                if file.path == last or (is_begun_anew and file.path < last):
                    continue
                last = file.path
                yield file

    def stat(self, path: str) -> StoredFile:
        validate_path(path)
        self._require_files()
        return self._call(f"look for {path}", lambda: self.remote_stat(path))

    def delete(self, path: str) -> None:
        validate_path(path)
        self._require_files()
        tries = 0

        def remove() -> None:
            nonlocal tries
            tries += 1
            try:
                self.remote_delete(path)
            except NotFound:
                # the try before, whose answer was lost, deleted it
                if tries == 1:
                    raise

        self._call(f"delete {path}", remove)
        try:
            self.stat(path)
        except NotFound:
            return
        raise DestinationError(
            f"{self.location()}/{path} is still there after it was deleted.",
            "See whether the store keeps files for a time, or who writes there.",
        )

    def delete_partial(self, path: str) -> None:
        *folders, name = path.split("/")
        token = part_token(name)
        if token is None:
            raise DestinationConfigError(f"{path!r} is not the name of an upload under way.", "Use delete() for files.")
        final = name.removesuffix(part_name("", token))
        wanted = Wanted(validate_path("/".join([*folders, final])), 0, token, None)
        self._call(f"delete {path}", lambda: self.remote_discard(wanted, UploadState({}, lambda data: None)))

    def free_space(self) -> int | None:
        return self._call("ask for the free space", self.remote_free_space)

    def test(self, report: Callable[[TestStep], None] = lambda step: None) -> tuple[TestStep, ...]:
        usual = self.retry_delays
        # a person waits for the answer: of a server that is mute it would come after minutes
        self.retry_delays = usual[:1]
        try:
            return super().test(report)
        finally:
            self.retry_delays = usual

    # --- how a step runs ------------------------------------------------------------------------------------------
    def _call(self, action: str, work: Callable[[], T], progress: Progress | None = None) -> T:
        """Run a short step, again after a lost connection."""
        return self._again(action, lambda: self._once(action, work, progress, Meter()), progress)

    def _again(self, action: str, work: Callable[[], T], progress: Progress | None) -> T:
        for delay in self.retry_delays:
            try:
                return work()
            except ConnectionLost as error:
                wait = max(delay, error.retry_after)
                logger.warning("destination.retry action=%r wait=%.0f error=%r", action, wait, error.message)
                self.remote_close()
                until = time.monotonic() + wait
                while (rest := until - time.monotonic()) > 0:
                    if progress:
                        progress(0)
                    time.sleep(min(rest, POLL_SECONDS))
        try:
            return work()
        except ConnectionLost:
            self.remote_close()
            raise

    def _once(
        self,
        action: str,
        work: Callable[[], T],
        progress: Progress | None,
        meter: Meter,
        *,
        stalled_after: float | None = None,
    ) -> T:
        """Run one step under the watch, and raise what the operator is to read."""
        stalled_after = stalled_after or 4 * self.timeout
        self._meter = meter

        def stalled() -> ConnectionLost:
            return ConnectionLost(
                f"Cannot {action} at {self.where}: nothing has moved for {human_duration(stalled_after)}.",
                "Check the network and the server; the next try may succeed.",
            )

        try:
            return watched(
                work,
                meter=meter,
                abort=self.remote_close,
                stalled_after=stalled_after,
                stalled=stalled,
                progress=progress,
            )
        except DestinationError:
            raise
        except Aborted as error:
            # the connection of a listing under way, say, was dropped by the retry of another step
            raise ConnectionLost(
                f"Cannot {action} at {self.where}: the connection was closed.", "The next try may succeed."
            ) from error
        except Exception as error:
            known = self.remote_error(error, action) or from_network_error(error, action, self.where)
            if known is None:
                raise
            raise known from error


def is_listed(path: str) -> bool:
    """Whether a file of that path may be an archive: the paths that `validate_path` allows, uploads left out."""
    try:
        validate_path(path)
    except DestinationConfigError:
        return False
    return is_filename(path.rpartition("/")[2])


__all__ = ["BLOCK_SIZE", "RemoteDestination", "is_listed"]
