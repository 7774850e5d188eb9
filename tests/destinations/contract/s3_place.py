"""A bucket of moto."""

from typing import Any

import pytest

from tests.destinations.backends.s3.buckets import BUCKET, s3_client, s3_options
from tests.destinations.contract.place import Place
from tests.support.servers.objects.moto import Moto


class S3Place(Place):
    type = "s3"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Moto = request.getfixturevalue("moto")
        self.client = s3_client(self.server)

    def options(self) -> dict[str, Any]:
        return s3_options(self.server, location=self.folder)

    def plant(self, path: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.folder}/{path}", Body=data)

    def files(self) -> list[str]:
        """Return the names of the uploads under way too."""
        prefix = f"{self.folder}/"
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        under_way = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", [])
        return sorted([*(entry["Key"].removeprefix(prefix) for entry in found), *(entry["Key"] for entry in under_way)])

    def read(self, path: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=f"{self.folder}/{path}")["Body"].read()
        return body
