"""A version that one request cannot copy comes back in parts."""

import io
import os
from typing import Any

import pytest

from destinations.backends.s3 import promotion
from destinations.backends.s3.bucket import Bucket
from tests.destinations.backends.s3.buckets import LOCKED_BUCKET
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put

PATH = "shop/manual/backup.tar.gz"
# of a part, at least
LEAST_BYTES = 5 * 1024 * 1024


def test_a_large_version_that_was_overwritten_is_copied_in_parts(
    open_s3: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "LARGEST_COPY", 1000)
    monkeypatch.setattr(promotion, "PART_BYTES", LEAST_BYTES)
    destination, data = open_s3(bucket_name=LOCKED_BUCKET), os.urandom(LEAST_BYTES + 17)
    put(destination, PATH, data)
    key = f"{destination.options['location']}/{PATH}"
    bucket.put_object(Bucket=LOCKED_BUCKET, Key=key, Body=b"junk")
    bucket.delete_object(Bucket=LOCKED_BUCKET, Key=key)
    call, copied = Bucket.call, [0]

    def end_the_second_part(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        copied[0] += operation == "upload_part_copy"
        if copied[0] == 2 and operation == "upload_part_copy":
            raise KeyboardInterrupt
        return call(self, operation, **parameters)

    with monkeypatch.context() as ended:
        ended.setattr(Bucket, "call", end_the_second_part)
        with pytest.raises(KeyboardInterrupt):
            destination.restore_hidden(PATH, size=len(data))
    assert list(destination.list()) == list(destination.list_partials()) == []
    assert destination.restore_hidden(PATH, size=len(data)).size_bytes == len(data)
    sink = io.BytesIO()
    destination.get(PATH, sink)
    assert sink.getvalue() == data
    assert list(destination.list_hidden()) == list(destination.list_partials()) == []
