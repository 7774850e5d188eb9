"""The steps of the protocol of S3: connection, uploads, files."""

from collections.abc import Collection, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.utils import timezone

from destinations.backends.base import BLOCK_SIZE, TEST_PREFIX, Step, StoredFile, UploadState
from destinations.backends.base.lock_options import lock_time
from destinations.backends.remote import Write
from destinations.backends.remote.locks import LockingDestination, require_unlocked
from destinations.backends.s3 import completion, listings, locks, multipart
from destinations.backends.s3.answers import S3Refused, explain
from destinations.backends.s3.options import customer_headers
from destinations.exceptions import DestinationError, NotFound, VerificationFailed
from destinations.network.endpoint import endpoint_steps
from destinations.network.errors import from_library_error
from destinations.transfer.extras import Extra
from destinations.transfer.upload import Upload, Wanted

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket

AWS = "AWS"


class S3Steps(LockingDestination):
    """What runs against one bucket; `S3Destination` adds options, locks and versions."""

    extra = Extra("s3", ("boto3", "botocore"))
    reads_back = False
    resumes = True
    largest_file = multipart.LARGEST_FILE

    _bucket: "Bucket | None" = None
    # of the upload under way
    _parts: multipart.Parts

    @property
    def where(self) -> str:
        host = urlsplit(str(self.options["endpoint_url"])).netloc or AWS
        return f"the bucket {self.options['bucket_name']} at {host}"

    # --- the connection -------------------------------------------------------------------------------------------
    def _open(self) -> "Bucket":
        if self._bucket is None:
            library = self._library()
            self._bucket = library.Bucket(self.options, timeout=self.timeout, threads=multipart.THREADS + 1)
        return self._bucket

    def _library(self) -> Any:
        return self.extra.load("destinations.backends.s3.bucket")

    def remote_close(self) -> None:
        if (bucket := self._bucket) is not None:
            self._bucket = None
            bucket.drop()

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        if isinstance(error, S3Refused):
            return explain(error, action, self.where)
        return from_library_error(error, action, self.where, self._library().explain_library_error)

    def connection_steps(self) -> Iterator[Step]:
        bucket = self._call("connect", self._open)
        endpoint = bucket.endpoint
        for name, step in endpoint_steps(endpoint, ca_file=str(self.options["verify"]) or None, timeout=self.timeout):
            yield name, partial(self._call, name, step)
        yield "log in", lambda: self._call("log in", self._log_in)

    def _log_in(self) -> str:
        self._open().call("list_objects_v2", Prefix=self._prefix, MaxKeys=1)
        return f"the bucket {self.options['bucket_name']} is there"

    # --- names ----------------------------------------------------------------------------------------------------
    @property
    def _prefix(self) -> str:
        return f"{self.options['location']}/" if self.options["location"] else ""

    @property
    def _customer(self) -> dict[str, str]:
        return customer_headers(self.options)

    def _head(self, path: str) -> dict[str, Any]:
        bucket = self._open()
        try:
            return bucket.call("head_object", Key=self._prefix + path, **self._customer)
        except S3Refused as error:
            # one that is busy says when to come back
            if error.is_passing:
                raise
            refused = error
        # that answer has no body: wrong keys look like a right that lacks, a bucket that is gone like a missing file
        bucket.call("list_objects_v2", Prefix=self._prefix + path, MaxKeys=1)
        if refused.is_missing:
            raise self._missing(path)
        raise refused

    def _missing(self, path: str) -> NotFound:
        return NotFound(
            f"{path} is not in {self.where}.", "See what is listed there; versions may keep what was deleted."
        )

    # --- uploads --------------------------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        self._parts = multipart.Parts(
            key=self._prefix + upload.wanted.path,
            create=self._create_headers(upload.wanted.path),
            customer=self._customer,
            checksum=str(self.options["checksum"] or "sha256"),
            explain=self.remote_error,
            # few: the whole is tried again as often
            delays=self.retry_delays[:2],
        )
        multipart.send(self._open(), self._parts, upload, state)

    def _create_headers(self, path: str) -> dict[str, Any]:
        kind, headers = self.options["server_side_encryption"], dict[str, Any](self._customer)
        if kind in {"AES256", "aws:kms"}:
            headers["ServerSideEncryption"] = kind
        if self.options["kms_key_id"]:
            headers["SSEKMSKeyId"] = self.options["kms_key_id"]
        if self.options["storage_class"]:
            headers["StorageClass"] = self.options["storage_class"]
        if (locked := lock_time(self.options, path)) is not None:
            headers |= {"ObjectLockMode": self._mode, "ObjectLockRetainUntilDate": timezone.now() + locked}
        return headers

    def remote_check(self, upload: Upload) -> None:
        completion.check(self._open(), self._parts, upload)

    def remote_publish(self, upload: Upload) -> None:
        wanted = upload.wanted
        # without versions its key is all that names it
        upload.published = completion.publish(self._open(), self._parts, upload) or self._parts.key
        # parts cannot be read before the completion
        if self.is_damaged(upload):
            raise VerificationFailed(
                f"{wanted.path} in {self.where} reads back differently from what was written.",
                "Do not rely on this destination before its storage is repaired.",
            )

    def remote_withdraw(self, upload: Upload) -> None:
        key = self._prefix + upload.wanted.path
        completion.remove(self._open(), key, "" if upload.published == key else upload.published)

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        if upload_id := state.data.get("upload_id"):
            completion.abort(self._open(), str(state.data["key"]), str(upload_id))
            state.data = {}
            state.save(state.data)
            return
        if creating := state.data.get("creating"):
            listings.abort_all(self._open(), str(creating))
            state.data = {}
            state.save(state.data)
        bucket, key = self._open(), self._prefix + wanted.part_path
        listings.abort_partial(bucket, self._prefix, wanted.part_path)
        # of another program; where there is none, a deletion would leave a delete marker in a bucket with versions
        if completion.size_of(bucket, key, self._customer) is not None:
            bucket.call("delete_object", Key=key)

    # --- files ----------------------------------------------------------------------------------------------------
    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        request = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            answer = self._open().call("get_object", Key=self._prefix + path, **request, **self._customer)
        except S3Refused as refused:
            if refused.code == "InvalidRange":
                return
            raise self._missing(path) if refused.is_missing else refused from None
        with closing(answer["Body"]) as body:
            for block in body.iter_chunks(BLOCK_SIZE):
                write(block)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        return listings.files(self._open(), self._prefix + prefix, self._prefix)

    def list_partials(self) -> Iterator[StoredFile]:
        yield from super().list_partials()
        yield from self._paged("list the uploads", lambda: listings.partials(self._open(), self._prefix))

    def sweep(self, token: str, *, planned: Collection[str] = ()) -> tuple[str, ...]:
        def of_planned() -> list[str]:
            keys = {self._prefix + path for path in planned}
            found = [
                (key, name, entry) for key, name, entry in listings.uploads(self._open(), self._prefix) if key in keys
            ]
            for key, _, entry in found:
                completion.abort(self._open(), key, entry["UploadId"])
            return [name for _, name, _ in found]

        aborted = self._call("abort the uploads", of_planned) if planned and not self.append_only else []
        return (*super().sweep(token), *aborted)

    def remote_stat(self, path: str) -> StoredFile:
        head = self._head(path)
        return StoredFile(path, head["ContentLength"], head["LastModified"], locks.locked_until(head))

    def remote_delete(self, path: str) -> None:
        head = self._head(path)
        require_unlocked(f"{path} in {self.where}", locks.locked_until(head))
        # of what a test stored nothing is to be brought back
        version = str(head.get("VersionId") or "") if path.startswith(TEST_PREFIX) else ""
        completion.remove(self._open(), self._prefix + path, version)
