"""The order of an upload: send, check, publish; and what is done when one of them fails."""

import logging
from contextlib import suppress
from typing import BinaryIO

from destinations.backends.base import Progress, StoredFile, UploadState, validate_path
from destinations.backends.remote.calls import RemoteCalls
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    NotFound,
    VerificationFailed,
)
from destinations.transfer.blocks import check_free_space, check_largest_file, compare
from destinations.transfer.digest import Digest
from destinations.transfer.paths import part_name
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter

logger = logging.getLogger(__name__)

# how long a cancelled upload may take to remove what it sent; what stays is removed with the partial uploads
DISCARD_SECONDS = 1.0


class RemoteUploads(RemoteCalls):
    """Uploads by the steps of a type."""

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
        check_largest_file(self.location(), path, size, self.largest_file)
        upload = Upload(wanted, source, Meter(self._throttle))
        # a source that is not what was announced is found by that as well
        upload.is_hashed = not (sha256 and self.compares_all and self.must_read_back(upload))

        def send() -> None:
            nonlocal upload
            # what a try that was given up may still do has a meter of its own, which was stopped
            upload = upload.again(Meter(self._throttle))
            self._send(upload, kept, progress)

        self._require_files(progress)
        if self._was_published(upload, kept, progress):
            return self.stat(path)
        self._require_free(wanted, progress)
        try:
            self._again("upload", send, progress)
            is_clear = self._publish(upload, progress)
        except BaseException as error:
            # the next call with this state goes on from what is there
            if not (self.resumes and state is not None and isinstance(error, ConnectionLost)):
                self._discard(upload, kept, at_once=not isinstance(error, DestinationError))
            raise
        upload.published = ""
        if not is_clear:
            # a server that copies a file to rename it may have been cut off between both
            self._discard(upload, kept, at_once=False, again=True)
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

    def _was_published(self, upload: Upload, state: UploadState, progress: Progress | None) -> bool:
        """Whether the process that has left `state` published the upload, and lost the answer."""
        wanted = upload.wanted
        # without a checksum nothing tells it from the file of another program
        if not state.data or not wanted.sha256:
            return False
        action = f"look for {wanted.path}"
        if not self._again(action, lambda: self._is_published(upload, progress), progress):
            return False
        self._discard(upload, state, at_once=False)
        return True

    def _require_free(self, wanted: Wanted, progress: Progress | None) -> None:
        is_taken, free = self._call(f"look for {wanted.path}", lambda: self.remote_room(wanted.path), progress)
        if is_taken:
            raise self._taken(wanted)
        check_free_space(self.location(), wanted.size, free)

    def _send(self, upload: Upload, state: UploadState, progress: Progress | None) -> None:
        upload.seek(0)
        self._once(f"upload {upload.wanted.path}", lambda: self.remote_send(upload, state), progress, upload.meter)
        upload.require_whole()
        meter = Meter(self._throttle)
        self._once(f"verify {upload.wanted.path}", lambda: self.remote_check(upload), progress, meter)

    def _publish(self, upload: Upload, progress: Progress | None) -> bool:
        """Give the upload its name, once: after a try whose answer was lost, it is looked for there.

        Return whether every answer came.
        """
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
        return not unclear

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
            if upload.published:
                # it is the one that was sent
                compare(f"{self.location()}/{wanted.path}", "SHA-256", expected, digest)
            raise self._taken(wanted)
        return True

    def _taken(self, wanted: Wanted) -> NameTaken:
        return NameTaken(f"{self.location()}/{wanted.path} exists already.", "Nothing is overwritten.")

    def _discard(self, upload: Upload, state: UploadState, *, at_once: bool, again: bool = False) -> None:
        """Remove what an upload left, and what is published and not verified; the error that ended it is raised.

        `at_once`: a person or a signal ended it, and no peer that does not answer may hold that up. `again`: the peer
        answers, and a lost connection is tried again.
        """
        wanted = upload.wanted

        def remove() -> None:
            if upload.published:
                with suppress(NotFound):
                    self.remote_withdraw(upload)
            self.remote_discard(wanted, state)

        try:
            # an aborted step may have left the connection in the middle of something
            self.remote_close()
            action, stalled_after = f"remove the upload {wanted.part_path}", DISCARD_SECONDS if at_once else None

            def once() -> None:
                self._once(action, remove, None, Meter(), stalled_after=stalled_after)

            if again:
                self._again(action, once, None)
            else:
                once()
        except DestinationError as error:
            logger.warning("destination.upload-left file=%s error=%r", wanted.part_path, error.message)

    def must_read_back(self, upload: Upload) -> bool:
        """Whether an upload is to be read back: by option, and always where nothing else verifies all of it."""
        return (self.may_read_back and self.reads_back_uploads()) or upload.resumed or not upload.is_hashed

    def is_damaged(self, upload: Upload) -> bool:
        """Read back `upload`, which is published, where it has to be; return whether it differs from what was sent."""
        wanted = upload.wanted
        return bool(self.must_read_back(upload) and wanted.sha256 and self.hash_of(wanted.path) != wanted.sha256)

    def reads_back_uploads(self) -> bool:
        return bool(self.options["read_back"])

    def hash_of(self, path: str) -> str:
        """Read the file, temporary or not, and return its SHA-256 (hex); for use inside a step."""
        digest = Digest()
        meter = self._meter

        def update(block: bytes) -> None:
            # a file of many gigabytes is read for longer than a step may stand still
            meter.pace(len(block))
            self.bytes_read_back += len(block)
            digest.update(block)

        self.remote_receive(path, 0, update)
        return digest.hexdigest()
