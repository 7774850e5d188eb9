"""The completion of an upload, whose answer is lost or which another one precedes."""

from typing import Any

import pytest

from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import NameTaken
from tests.destinations.backends.s3.buckets import BUCKET
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put

PATH = "shop/manual/backup.tar.gz"
DATA = b"archive"


def lose_upload(monkeypatch: pytest.MonkeyPatch, bucket: Any, *, stored: bytes | None) -> None:
    """Let the store say that it has no such upload any more, after it has published it, or has `stored` of another."""
    usual = Bucket.call

    def call(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation != "complete_multipart_upload":
            return usual(self, operation, **parameters)
        if stored is None:
            usual(self, operation, **parameters)
        else:
            bucket.put_object(Bucket=BUCKET, Key=parameters["Key"], Body=stored)
        raise S3Refused("CompleteMultipartUpload", "NoSuchUpload", 404, "", {})

    monkeypatch.setattr(Bucket, "call", call)


def test_a_file_of_the_same_size_that_another_stored_is_not_taken_for_ours(
    open_s3: Open, bucket: Any, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_upload(monkeypatch, bucket, stored=b"foreign")
    with pytest.raises(NameTaken):
        put(open_s3(), PATH, DATA)
    assert bucket.get_object(Bucket=BUCKET, Key=f"{apart}/{PATH}")["Body"].read() == b"foreign"


def test_an_upload_that_was_completed_before_is_stored(
    open_s3: Open, bucket: Any, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_upload(monkeypatch, bucket, stored=None)
    assert put(open_s3(), PATH, DATA).size_bytes == len(DATA)
    assert bucket.get_object(Bucket=BUCKET, Key=f"{apart}/{PATH}")["Body"].read() == DATA
