"""Buckets of AWS S3 and of compatible stores."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from django import forms

from destinations.backends.base import StoredFile
from destinations.backends.base.place import Place
from destinations.backends.s3 import listings, locks
from destinations.backends.s3.options import STRICT, check, option_fields
from destinations.backends.s3.steps import AWS, S3Steps
from destinations.network.hosts import canonical_site


class S3Destination(S3Steps):
    type = "s3"
    label = "S3 (AWS and compatible)"
    secret_options: ClassVar[frozenset[str]] = frozenset({"secret_key", "security_token", "customer_key"})

    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return option_fields()

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return check(options)

    def location(self) -> str:
        endpoint = str(self.options["endpoint_url"] or AWS)
        return f"s3://{self.options['bucket_name']}/{self.options['location']}".rstrip("/") + f" ({endpoint})"

    def canonical_place(self) -> Place:
        host, port = canonical_site(str(self.options["endpoint_url"] or ""))
        # the name of a bucket is one in all regions
        host = AWS if not host or host.endswith(".amazonaws.com") else host
        bucket, folder = str(self.options["bucket_name"]), str(self.options["location"] or "")
        return Place.at(self.type, port, bucket, folder=folder, host=host)

    # --- locks and versions ---------------------------------------------------------------------------------------
    def remote_lock(self, path: str, until: datetime) -> None:
        # a lock in the strict mode is made longer in that mode only, whatever the option says since
        mode = STRICT if self._head(path).get("ObjectLockMode") == STRICT else self._mode
        retention, key = {"Mode": mode, "RetainUntilDate": until}, self._prefix + path
        self._open().call("put_object_retention", Key=key, Retention=retention, ChecksumAlgorithm="SHA256")

    def remote_try_lock(self) -> str:
        return locks.try_lock(self._open(), self._prefix, self._mode, self._customer, self.where)

    def remote_list_hidden(self, prefix: str) -> Iterator[StoredFile]:
        return listings.hidden(self._open(), self._prefix + prefix, self._prefix)

    def remote_restore_hidden(self, path: str, size: int | None) -> None:
        alive = self._meter.checkpoint
        listings.restore_hidden(self._open(), self._prefix + path, size, self._customer, self.where, alive)
