"""A bucket of the emulator of Google Cloud Storage."""

from typing import Any

import pytest

from tests.destinations.backends.gcs.buckets import gcs_bucket, gcs_options
from tests.destinations.contract.place import Place
from tests.support.servers.objects.gcs import Gcs


class GcsPlace(Place):
    type = "gcs"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Gcs = request.getfixturevalue("gcs")
        self.bucket = gcs_bucket(self.server)

    def options(self) -> dict[str, Any]:
        return gcs_options(self.server, location=self.folder)

    def plant(self, path: str, data: bytes) -> None:
        self.bucket.blob(f"{self.folder}/{path}").upload_from_string(data)

    def files(self) -> list[str]:
        prefix = f"{self.folder}/"
        return sorted(blob.name.removeprefix(prefix) for blob in self.bucket.list_blobs(prefix=prefix))

    def read(self, path: str) -> bytes:
        data: bytes = self.bucket.blob(f"{self.folder}/{path}").download_as_bytes()
        return data
