"""What every type beyond this machine does: a subclass speaks its protocol, in short steps that may block.

Retries, limits, progress, cancel, the end of a transfer that stalls, and the order send, check, publish stand here.
"""

from collections.abc import Callable, Iterator

from destinations.backends.base import (
    Progress,
    StoredFile,
    TestStep,
    UploadState,
    validate_path,
)
from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.remote.writable import RemoteWritable
from destinations.exceptions import (
    DestinationConfigError,
    DestinationError,
    DestinationUnavailable,
    NotFound,
)
from destinations.lib.streams import Sink
from destinations.transfer.blocks import compare
from destinations.transfer.paths import is_path, part_name, part_token, validate_prefix
from destinations.transfer.upload import Wanted
from destinations.transfer.watch import Foreign, Meter

# files of a listing that are fetched in one step
PAGE = 1000
# of one file, as databases keep them
MOST_BYTES = 2**63 - 1


class RemoteDestination(RemoteWritable):
    """An open destination beyond this machine; a type adds its steps, which `RemoteSteps` describes."""

    def close(self) -> None:
        self.remote_close()

    def get(self, path: str, sink: Sink, *, progress: Progress | None = None) -> int:
        validate_path(path)
        progress = progress or self.while_waiting
        expected = self._stat(path, progress).size_bytes
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
        first = last = seen = ""
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
                self._require_size(file)
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
                if file.path == first:
                    raise DestinationUnavailable(
                        f"Cannot {action} at {self.where}: the listing comes back to its beginning, {first}.",
                        "See whether the server is the right one, and what its log says.",
                    )
                first, last = first or file.path, file.path
                yield file

    def stat(self, path: str) -> StoredFile:
        return self._stat(path, None)

    def _stat(self, path: str, progress: Progress | None) -> StoredFile:
        validate_path(path)
        self._require_files(progress)
        found = self._call(f"look for {path}", lambda: self.remote_stat(path), progress)
        self._require_size(found)
        return found

    def _require_size(self, file: StoredFile) -> None:
        if not 0 <= file.size_bytes <= MOST_BYTES:
            raise DestinationUnavailable(
                f"{self.where} says that {file.path} has {file.size_bytes:,} bytes, which no file has.",
                "See whether the server is the right one, and what its log says.",
            )

    def delete(self, path: str) -> None:
        validate_path(path)
        self.require_deletable(path)
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
        self.require_deletable(path)
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


def is_listed(path: str) -> bool:
    """Whether a file of that path may be an archive: uploads and the files of tests of locks are left out."""
    return is_path(path) and not path.startswith(LOCK_PROBE)
