"""Buckets of Google Cloud Storage."""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from destinations.backends.base import BLOCK_SIZE, Step, StoredFile, UploadState
from destinations.backends.base.lock_options import lock_time
from destinations.backends.base.place import Place
from destinations.backends.gcs import locks, versions
from destinations.backends.gcs.answers import GcsRefused, explain
from destinations.backends.gcs.options import ENDPOINT, STRICT, check, option_fields
from destinations.backends.gcs.sessions import Seal, Session
from destinations.backends.remote import Write
from destinations.backends.remote.locks import LockingDestination, lock_error, require_unlocked
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    NotFound,
    VerificationFailed,
)
from destinations.network.endpoint import endpoint_steps
from destinations.network.errors import from_library_error
from destinations.network.hosts import canonical_site
from destinations.transfer.blocks import compare
from destinations.transfer.extras import Extra
from destinations.transfer.upload import Upload, Wanted

if TYPE_CHECKING:
    from destinations.backends.gcs.bucket import Bucket


class GcsDestination(LockingDestination):
    type = "gcs"
    label = "Google Cloud Storage"
    extra = Extra("gcs", ("google.auth", "google_crc32c", "requests"))
    reads_back = False
    resumes = True
    try_needs_deletion = False
    largest_file = 5 * 1024**4
    secret_options: ClassVar[frozenset[str]] = frozenset({"credentials"})

    _bucket: "Bucket | None" = None
    _session: Session | None = None

    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return option_fields()

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return check(options)

    def location(self) -> str:
        text = f"gs://{self.options['bucket_name']}/{self.options['location']}".rstrip("/")
        return f"{text} ({self.options['custom_endpoint']})" if self.options["custom_endpoint"] else text

    def canonical_place(self) -> Place:
        host, port = canonical_site(self._endpoint)
        bucket, folder = str(self.options["bucket_name"]), str(self.options["location"] or "")
        return Place.at(self.type, port, bucket, folder=folder, host=host)

    @property
    def where(self) -> str:
        return f"the bucket {self.options['bucket_name']} at {urlsplit(self._endpoint).netloc}"

    # --- the connection -------------------------------------------------------------------------------------------
    @property
    def _endpoint(self) -> str:
        return str(self.options["custom_endpoint"] or ENDPOINT)

    def _library(self) -> Any:
        return self.extra.load("destinations.backends.gcs.bucket")

    def _open(self) -> "Bucket":
        if self._bucket is None:
            library = self._library()
            self._bucket = library.Bucket(self.options, endpoint=self._endpoint, timeout=self.timeout)
        return self._bucket

    def remote_close(self) -> None:
        if (bucket := self._bucket) is not None:
            self._bucket = None
            bucket.drop()

    def remote_error(self, error: Exception, action: str) -> DestinationError | None:
        if isinstance(error, GcsRefused):
            return explain(error, action, self.where)
        return from_library_error(error, action, self.where, self._library().explain_library_error)

    def connection_steps(self) -> Iterator[Step]:
        for name, step in endpoint_steps(self._endpoint, timeout=self.timeout):
            yield name, partial(self._call, name, step)
        yield "log in", lambda: self._call("log in", self._log_in)

    def _log_in(self) -> str:
        next(self._open().pages(self._prefix))
        return f"the bucket {self.options['bucket_name']} is there"

    @property
    def _prefix(self) -> str:
        return f"{self.options['location']}/" if self.options["location"] else ""

    # --- uploads --------------------------------------------------------------------------------------------------
    def remote_send(self, upload: Upload, state: UploadState) -> None:
        if self._session is None or self._session.upload is not upload:
            locked = lock_time(self.options, upload.wanted.path)
            about = locks.retention(self._mode, timezone.now() + locked) if locked is not None else {}
            seal = Seal(str(self.options["credentials"] or ""))
            self._session = Session(upload, self._checksum_of(upload), seal, about)
        self._session.send(self._open(), self._prefix + upload.wanted.path, state)

    def _checksum_of(self, upload: Upload) -> str:
        total, checksum = upload.wanted.size, self._library().Checksum()
        for offset in range(0, total, BLOCK_SIZE):
            checksum.update(upload.peek(offset, min(BLOCK_SIZE, total - offset)))
        return str(checksum.text)

    def remote_try(self, upload: Upload, state: UploadState) -> bool:
        super().remote_try(upload, state)
        # no listing shows a session, and the store drops it after a week
        with suppress(GcsRefused):
            self.remote_discard(upload.wanted, state)
        return False

    def remote_check(self, upload: Upload) -> None:
        session = self._session_of(upload)
        compare(f"The upload {upload.wanted.path}", "size", upload.wanted.size, session.arrived + len(session.tail))

    def remote_publish(self, upload: Upload) -> None:
        session, name = self._session_of(upload), self._prefix + upload.wanted.path
        stored = session.finish(self._open())
        upload.published = name
        wrong = (int(stored["size"]), stored["crc32c"]) != (upload.wanted.size, session.checksum)
        if not wrong and self.must_read_back(upload) and upload.sha256:
            wrong = self.hash_of(upload.wanted.path) != upload.sha256
        if wrong:
            raise VerificationFailed(
                f"{upload.wanted.path} in {self.where} is not what was written.",
                "Do not rely on this destination before its storage is repaired.",
            )

    def _session_of(self, upload: Upload) -> Session:
        if self._session is None or self._session.upload is not upload:
            raise ConnectionLost(f"The upload {upload.wanted.path} has no session.", "The next try may succeed.")
        return self._session

    def remote_discard(self, wanted: Wanted, state: UploadState) -> None:
        if state.data:
            address = Seal(str(self.options["credentials"] or "")).open(state)
            if address is None and self._session is not None:
                address = self._session.address
            if address:
                self._open().cancel_upload(address)
            self._session, state.data = None, {}
            state.save(state.data)
            return
        try:
            self._open().delete(self._prefix + wanted.part_path)
        except GcsRefused as refused:
            if not refused.is_missing:
                raise

    # --- files ----------------------------------------------------------------------------------------------------
    def _about(self, path: str) -> dict[str, Any]:
        bucket = self._open()
        try:
            return bucket.about(self._prefix + path)
        except GcsRefused as refused:
            if not refused.is_missing:
                raise
        # a bucket that is gone is not a file that is not there
        next(bucket.pages(self._prefix + path))
        raise NotFound(f"{path} is not in {self.where}.", "See what is listed there.")

    def remote_stat(self, path: str) -> StoredFile:
        about = self._about(path)
        return StoredFile(path, int(about["size"]), parse_datetime(about["updated"]), locks.locked_until(about))

    def remote_receive(self, path: str, offset: int, write: Write) -> None:
        size = int(self._about(path)["size"])
        if offset >= size:
            return
        checksum = self._library().Checksum()
        with closing(self._open().read(self._prefix + path, offset)) as answer:
            for block in answer.raw.stream(BLOCK_SIZE, decode_content=False):
                checksum.update(block)
                write(block)
        told = re.search(r"crc32c=([A-Za-z0-9+/=]+)", answer.headers.get("X-Goog-Hash", ""))
        if told and not offset:
            compare(f"{path} in {self.where}", "CRC32C", told[1], checksum.text)

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        for page in self._open().pages(self._prefix + prefix):
            for entry in page.get("items", ()):
                name = str(entry["name"]).removeprefix(self._prefix)
                yield StoredFile(name, int(entry["size"]), parse_datetime(entry["updated"]))

    def remote_delete(self, path: str) -> None:
        until = locks.locked_until(self._about(path))
        what = f"{path} in {self.where}"
        require_unlocked(what, until)
        try:
            self._open().delete(self._prefix + path)
        except GcsRefused as refused:
            if refused.is_locked:
                raise lock_error(what, until) from None
            raise

    # --- locks and versions ---------------------------------------------------------------------------------------
    def remote_lock(self, path: str, until: datetime) -> None:
        before = (self._about(path).get("retention") or {}).get("mode")
        # a lock in the strict mode is made longer in that mode only, whatever the option says since
        mode = STRICT if before == STRICT else self._mode
        becomes_strict = before is not None and before != mode
        self._open().change(self._prefix + path, locks.retention(mode, until), override=becomes_strict)

    def remote_try_lock(self) -> str:
        return locks.try_lock(self._open(), self._prefix, self._mode, self.where)

    def remote_list_hidden(self, prefix: str) -> Iterator[StoredFile]:
        return versions.hidden(self._open(), self._prefix + prefix, self._prefix)

    def remote_restore_hidden(self, path: str, size: int | None) -> None:
        versions.restore_hidden(self._open(), self._prefix + path, size, self.where)
