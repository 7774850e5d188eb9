"""A folder of any remote that the program rclone knows."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

from django import forms

from destinations.backends.base import BLOCK_SIZE, Step, StoredFile, UploadState
from destinations.backends.base.place import Place
from destinations.backends.rclone import options
from destinations.backends.rclone.answers import Features, features_of
from destinations.backends.rclone.errors import explain, no_room, says_why
from destinations.backends.rclone.listing import files_in
from destinations.backends.rclone.program import INSTALL, PROGRAM, Rclone, RcloneFailed
from destinations.backends.remote import RemoteDestination, Write
from destinations.exceptions import DestinationError, DestinationUnavailable, NameTaken, NotFound
from destinations.lib.moments import from_iso
from destinations.transfer.blocks import compare
from destinations.transfer.digest import Digest
from destinations.transfer.extras import Extra
from destinations.transfer.parallel import side_by_side
from destinations.transfer.upload import Upload, Wanted

EXTRA = Extra(options.TYPE, programs=(PROGRAM,), install=INSTALL)
# what `about` says without a code of its own: before the first upload, and of storage that does not tell
NO_FREE_SPACE = re.compile(r"about call failed: .*(does not exist|no such file)|doesn't support about", re.IGNORECASE)
# what it says of a file that it has given its name, which saves a look: each start of it logs in anew
MOVED = "Moved (server-side)"


class RcloneDestination(RemoteDestination):
    type = options.TYPE
    label = "rclone (any of its remotes)"
    extra = EXTRA
    secret_options = frozenset({"config_password"})
    # only where the remote has no checksum
    reads_back = False

    # the checksum of what was sent last, of the kind that the remote has
    _sent: str | None = None

    # --- options --------------------------------------------------------------------------------------------------
    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return options.fields()

    @classmethod
    def check_options(cls, options_: dict[str, object]) -> dict[str, object]:
        return options.check(options_)

    @property
    def where(self) -> str:
        return f"the rclone remote {str(self.options['remote']).partition(':')[0]}"

    def location(self) -> str:
        return f"rclone:{self.options['remote']}"

    def canonical_place(self) -> Place:
        name, _, path = str(self.options["remote"]).partition(":")
        return Place.at(self.type, name, folder=path)

    # --- the program ----------------------------------------------------------------------------------------------
    @cached_property
    def _rclone(self) -> Rclone:
        return Rclone(
            config_file=str(self.options["config_file"] or ""),
            config_password=str(self.options["config_password"] or ""),
            timeout=self.timeout,
        )

    @cached_property
    def _features(self) -> Features:
        return features_of(self._call_rclone("backend", "features", "--", self._path("")))

    def _call_rclone(self, *words: str) -> bytes:
        # one that does not answer is ended by the watch
        return self._rclone.call(*words)

    def _path(self, path: str) -> str:
        """Return `path` as an argument: it cannot begin with a dash, for a remote does not."""
        remote = str(self.options["remote"])
        return f"{remote}/{path}" if path else remote

    def remote_close(self) -> None:
        self._rclone.kill()

    def require_reachable(self) -> None:
        super().require_reachable()
        # what each upload asks for, and what it may fail by
        self._call("ask what the remote can do", lambda: self._require_rename(self._features))

    def connection_steps(self) -> Iterator[Step]:
        yield self._step("program", "run rclone", lambda: self._call_rclone("version").decode().splitlines()[0])
        yield self._step("remote", "open the remote", self._describe)
        yield self._step("folder", "look for the folder", self._look_for_folder)

    def _describe(self) -> str:
        features = self._features
        self._require_rename(features)
        checksum = f"checksum {features.hash}" if features.hash else "no checksum: uploads are read back"
        return f"{str(self.options['remote']).partition(':')[0]}; {checksum}"

    def _look_for_folder(self) -> str:
        return "nothing is stored there yet" if self.remote_is_empty() else "it holds files"

    def _require_rename(self, features: Features) -> None:
        if not features.renames:
            raise DestinationUnavailable(
                f"{self.location()} cannot rename a file on its side: an upload could not be published in one step.",
                "Use another remote, or the type of destination that speaks to this storage itself.",
            )

    # --- the steps of the protocol --------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        wanted = upload.wanted
        self._require_rename(self._features)
        kind = self._features.hash
        # the upload computes SHA-256 itself
        digest = Digest(kind) if kind and kind != "sha256" else None
        # with the size it needs no copy of its own on a disk; every checksum that the remote has would be computed, and
        # compared with nothing of ours
        words = ("rcat", f"--size={wanted.size}", "--ignore-checksum", "--", self._path(wanted.part_path))
        try:
            with self._rclone.started(*words, alive=upload.meter.checkpoint, fed=True) as ends:
                while block := upload.read(BLOCK_SIZE):
                    if digest is not None:
                        digest.update(block)
                    ends.into.write(block)
                upload.require_all_read()
        except RcloneFailed as failed:
            self._require_room(wanted, failed)
            raise
        self._sent = digest.hexdigest() if digest is not None else upload.sha256

    def _require_room(self, wanted: Wanted, failed: RcloneFailed) -> None:
        """Raise `DestinationFull` where an upload failed for no known reason, and there is less room than it takes."""
        free = None
        if not says_why(failed):
            with suppress(RcloneFailed):
                free = self.remote_free_space()
        if free is not None and free < wanted.size:
            raise no_room(failed, f"{self.location()}/{wanted.path}", wanted.size, free) from failed

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        # each start of the program logs in anew, and the deletion looks for the file as well
        self.remote_send(upload, state)
        return True

    def remote_check(self, upload: Upload) -> None:
        part, kind = upload.wanted.part_path, self._features.hash
        where = f"{self.location()}/{part}"
        item = self._look(part, *(("--hash", f"--hash-type={kind}") if kind else ()))
        compare(where, "size", upload.wanted.size, int(item["Size"]))
        # a remote that has checksums may lack that of one file
        checksum = (item.get("Hashes") or {}).get(kind)
        if checksum:
            compare(where, str(kind), self._sent, checksum)
        if not checksum or self.must_read_back(upload):
            compare(where, "SHA-256", upload.sha256, self.hash_of(part))

    def remote_publish(self, upload: Upload) -> None:
        wanted = upload.wanted
        names = (self._path(wanted.part_path), self._path(wanted.path))
        # `--immutable` has no effect on `moveto`, which would overwrite; this leaves both files where the name is taken
        said = self._rclone.said("moveto", "--ignore-existing", "--", *names, alive=self._meter.checkpoint)
        if MOVED in said:
            return
        # where it does not say so, what is left tells it
        with suppress(NotFound):
            self.remote_stat(wanted.part_path)
            raise NameTaken(f"{self.location()}/{wanted.path} exists already.", "Nothing is overwritten.")

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        try:
            self._call_rclone("deletefile", "--", self._path(wanted.part_path))
        except RcloneFailed as failed:
            if not failed.is_missing:
                raise

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        with self._rclone.started("cat", f"--offset={offset}", "--", self._path(path)) as ends:
            while block := ends.output.read(BLOCK_SIZE):
                write(block)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        try:
            found = files_in(self._rclone, self._path(folder), prefix, self._meter.checkpoint)
        except RcloneFailed as failed:
            # a folder within that is gone meanwhile has the same code, and would cut the listing short
            if not (failed.is_missing and self._members(folder) is None):
                raise
            return
        # nothing is given out before the program has ended well, and it lists folders side by side
        yield from sorted(found, key=lambda file: file.path)

    def remote_is_empty(self) -> bool:
        return not self._members("")

    def _members(self, folder: str) -> list[object] | None:
        """Return what is in the folder; None where there is no such folder."""
        try:
            found: list[object] = json.loads(self._call_rclone("lsjson", "--max-depth=1", "--", self._path(folder)))
        except RcloneFailed as failed:
            if failed.is_missing:
                return None
            raise
        return found

    def remote_stat(self, path: str) -> StoredFile:
        item = self._look(path)
        return StoredFile(path, int(item["Size"]), from_iso(item["ModTime"]))

    def _look(self, path: str, *words: str) -> dict[str, Any]:
        """Return what is known of the file. Raises `NotFound`."""
        try:
            # for a checksum it may read the whole file
            alive = {"alive": self._meter.checkpoint} if words else {}
            found = json.loads(
                self._rclone.call("lsjson", "--stat", "--no-mimetype", *words, "--", self._path(path), **alive)
            )
        except RcloneFailed as failed:
            if failed.is_missing:
                raise self._missing(path) from None
            raise
        if not found or found["IsDir"]:
            raise self._missing(path)
        return dict(found)

    def remote_delete(self, path: str) -> None:
        try:
            self._call_rclone("deletefile", "--", self._path(path))
        except RcloneFailed as failed:
            if failed.is_missing:
                raise self._missing(path) from None
            raise

    def remote_free_space(self) -> int | None:
        if not self._features.tells_free_space:
            return None
        name, _, path = str(self.options["remote"]).partition(":")
        # before the first upload the folder is not there
        for place in (path, path.rpartition("/")[0]):
            try:
                free = json.loads(self._call_rclone("about", "--json", "--", f"{name}:{place}")).get("free")
            except RcloneFailed as failed:
                if not failed.is_missing and not NO_FREE_SPACE.search(failed.said):
                    raise
            else:
                return None if free is None else int(free)
        return None

    def remote_room(self, path: str) -> tuple[bool, int | None]:
        # both at once: each starts the program, which may have to log in
        free: list[int | None] = []
        taken: list[StoredFile] = []

        def look() -> None:
            with suppress(NotFound):
                taken.append(self.remote_stat(path))

        side_by_side(iter((look, lambda: free.append(self.remote_free_space()))), 2)
        return bool(taken), free[0]

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        return explain(error, action, self.where) if isinstance(error, RcloneFailed) else None

    def _missing(self, path: str) -> NotFound:
        return NotFound(f"There is no file {path} at {self.location()}.", "Check the name.")
