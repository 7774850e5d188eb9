"""Options of the destination types of object stores for the servers of tests, and their buckets."""

from functools import cache
from typing import Any

from tests.support.servers.objects.moto import REGION, Moto
from tests.support.servers.running.accounts import FULL

BUCKET = "backups"
LOCKED_BUCKET = "backups-locked"


@cache
def s3_client(server: Moto) -> Any:
    """Return a client of boto3; the bucket is there, and so is one with object lock."""
    client = server.client()
    region = {"LocationConstraint": REGION}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
    client.create_bucket(Bucket=LOCKED_BUCKET, CreateBucketConfiguration=region, ObjectLockEnabledForBucket=True)
    return client


def s3_options(server: Moto, *, port: int = 0, account: str = FULL, **options: Any) -> dict[str, Any]:
    """Return the options of a destination, at the port of a proxy where one is given."""
    s3_client(server)
    key = server.access_keys[account]
    common = {"bucket_name": BUCKET, "endpoint_url": server.url_at(port or server.port), "region_name": REGION}
    keys = {"access_key": key.id, "secret_key": key.secret, "addressing_style": "path", "timeout": 5}
    return common | keys | options
