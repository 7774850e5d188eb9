"""The type `s3`: buckets of AWS and of compatible stores, through boto3."""

from destinations.backends.s3.destination import S3Destination

__all__ = ["S3Destination"]
