"""An upload that is begun and never published: before an export it shows whether one may be."""

import io
import logging
import secrets

from destinations.backends.base import Progress, UploadState, validate_path
from destinations.backends.base.trial import TEST_PREFIX
from destinations.backends.remote.uploads import RemoteUploads
from destinations.exceptions import DestinationError
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter

logger = logging.getLogger(__name__)

ACTION = "begin an upload"


class RemoteWritable(RemoteUploads):
    """Sees whether an upload could begin, by beginning one."""

    def require_writable(self, folder: str, token: str, progress: Progress | None = None) -> str:
        if self.append_only and self.try_needs_deletion:
            return super().require_writable(folder, token, progress)
        self._require_files(progress)
        path = validate_path(f"{folder}/{TEST_PREFIX}{secrets.token_hex(8)}.bin".lstrip("/"))
        # a byte: not every store takes an empty file, and a full one takes nothing else
        wanted, state = Wanted(path, 1, token, None), UploadState({}, lambda data: None)
        upload = Upload(wanted, io.BytesIO(b"-"), Meter())

        def begin() -> bool:
            nonlocal upload
            upload = upload.again(Meter())
            upload.seek(0)
            return self._once(ACTION, lambda: self.remote_try(upload, state), progress, upload.meter)

        try:
            needs_deletion = self._again(ACTION, begin, progress)
        except BaseException as error:
            self._discard(upload, state, at_once=not isinstance(error, DestinationError))
            raise
        if not needs_deletion:
            return ""
        try:
            self._call(f"remove the upload {wanted.part_path}", lambda: self.remote_discard(wanted, state), progress)
        except DestinationError as error:
            # what was asked is answered; its token leads a sweep to it
            logger.warning("destination.upload-left file=%s error=%r", wanted.part_path, error.message)
            return wanted.part_path
        return ""
