"""An earlier version of an object becomes the current one: it is copied over what hides it, within the store."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.completion import abort

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket

# by one request; the store copies what is larger in parts
LARGEST_COPY = 5 * 1024**3
# at least, and as many parts as the store allows: a part takes seconds, in which nothing else is heard of it
PART_BYTES, MOST_PARTS = 512 * 1024**2, 9000


def promote(
    bucket: "Bucket", version: Mapping[str, Any], customer: Mapping[str, str], alive: Callable[[], None]
) -> None:
    """Copy `version`, an entry of a listing of versions, to its key. `customer` are the headers of SSE-C.

    `alive` is called between the parts, and ends it by what it raises.
    """
    key, size = version["Key"], int(version["Size"])
    source = {"CopySource": {"Bucket": bucket.name, "Key": key, "VersionId": version["VersionId"]}}
    request = {**source, **customer, **{f"CopySource{name}": value for name, value in customer.items()}}
    if size <= LARGEST_COPY:
        bucket.call("copy_object", Key=key, **request)
        return
    begun = bucket.call("create_multipart_upload", Key=key, ContentType="application/octet-stream", **customer)
    target = {"Key": key, "UploadId": str(begun["UploadId"])}
    length, parts = max(PART_BYTES, -(-size // MOST_PARTS)), list[dict[str, Any]]()
    try:
        for number, begin in enumerate(range(0, size, length), 1):
            alive()
            span = f"bytes={begin}-{min(begin + length, size) - 1}"
            answer = bucket.call("upload_part_copy", **target, PartNumber=number, CopySourceRange=span, **request)
            parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
        bucket.call("complete_multipart_upload", **target, MultipartUpload={"Parts": parts}, **customer)
    except BaseException:
        # what stays is listed with the partial uploads; the error that ended it says more
        with suppress(S3Refused):
            abort(bucket, key, target["UploadId"])
        raise
