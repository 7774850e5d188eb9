"""Options of the type, and the requests that they make."""

import base64
import io
from typing import Any

import pytest

from destinations.backends import TYPES, create_destination
from destinations.backends.s3 import S3Destination
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from tests.destinations.backends.s3.buckets import BUCKET, s3_options
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.objects.moto import Moto

PLAIN = {"bucket_name": "backups", "region_name": "eu-central-1"}


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"bucket_name": ""}, "bucket_name"),
        ({"bucket_name": "a b"}, "bucket_name"),
        ({"location": "../up"}, "location"),
        ({"location": "a//b"}, "location"),
        ({"endpoint_url": "s3.example.org"}, "endpoint_url"),
        ({"endpoint_url": "https://user:canary@s3.example.org"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example.org/path"}, "endpoint_url"),
        ({"verify": "false"}, "verify"),
        ({"access_key": "AKIA"}, "secret_key"),
        ({"secret_key": "canary"}, "secret_key"),
        ({"storage_class": "DEEP_ARCHIVE"}, "storage_class"),
        ({"kms_key_id": "key"}, "kms_key_id"),
        ({"server_side_encryption": "customer"}, "customer_key"),
        ({"server_side_encryption": "customer", "customer_key": "canary"}, "customer_key"),
        ({"customer_key": base64.b64encode(bytes(32)).decode()}, "customer_key"),
        ({"checksum": "crc"}, "checksum"),
        ({"lock_days": 0}, "lock_days"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], option: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("s3", PLAIN | options)
    assert caught.value.option == option
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_the_key_of_sse_c_is_never_sent_without_tls() -> None:
    key = base64.b64encode(bytes(32)).decode()
    with pytest.raises(DestinationConfigError) as caught:
        options = {"endpoint_url": "http://s3.example.org", "server_side_encryption": "customer", "customer_key": key}
        create_destination("s3", PLAIN | options)
    assert caught.value.option == "endpoint_url"


def test_spellings_of_one_place_are_the_same_place() -> None:
    first = create_destination("s3", PLAIN | {"location": "/a/b/", "endpoint_url": "https://s3.example.org/"})
    second = create_destination("s3", PLAIN | {"location": "a/b", "endpoint_url": "https://s3.example.org"})
    other = create_destination("s3", PLAIN | {"location": "a/b"})
    assert first.is_same_place(second)
    assert not first.is_same_place(other)
    assert first.location() == "s3://backups/a/b (https://s3.example.org)"


def test_storage_class_and_encryption_go_with_the_upload(open_s3: Open, bucket: Any) -> None:
    destination = open_s3(storage_class="STANDARD_IA", server_side_encryption="aws:kms", kms_key_id="key-1")
    put(destination, "a/b.tar", b"x")
    head = bucket.head_object(Bucket=BUCKET, Key=f"{destination.options['location']}/a/b.tar")
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == "key-1"


def test_a_key_of_sse_c_goes_with_each_request_about_bytes(
    moto_tls: Moto, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    options = s3_options(moto_tls, location=apart, verify=str(moto_tls.certificates.ca_file))
    encrypted = options | {"server_side_encryption": "customer", "customer_key": key}
    with create_destination("s3", encrypted) as destination:
        sent: list[tuple[str, dict[str, Any]]] = []
        call = Bucket.call

        def note(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
            sent.append((operation, parameters))
            return call(self, operation, **parameters)

        monkeypatch.setattr(Bucket, "call", note)
        put(destination, "a/b.tar", b"x")
        destination.get("a/b.tar", io.BytesIO())
        about_bytes = {name for name, parameters in sent if parameters.get("SSECustomerKey") == key}
        names = [step.name for step in destination.test()]
    assert about_bytes == {
        "head_object",
        "get_object",
        "create_multipart_upload",
        "upload_part",
        "list_parts",
        "complete_multipart_upload",
    }
    assert names[:4] == ["resolve", "connect", "TLS", "log in"]


def test_keys_come_from_the_environment_where_the_form_has_none(
    open_s3: Open, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    blank = {"access_key": "", "secret_key": ""}
    with pytest.raises(DestinationUnavailable, match="no credentials"):
        list(open_s3(**blank).list())
    with pytest.raises(DestinationConfigError) as caught:
        list(open_s3(session_profile="no-such-profile", **blank).list())
    assert caught.value.option == "session_profile"
    key = moto.access_keys["full"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret)
    # an address in the environment leads no archive away
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert list(open_s3(**blank).list()) == []


def test_secrets_are_write_only() -> None:
    assert {"secret_key", "security_token", "customer_key"} <= TYPES["s3"].secret_options <= {*TYPES["s3"].fields()}


def test_a_parameter_that_the_library_refuses_is_not_quoted(open_s3: Open) -> None:
    destination = open_s3()
    assert isinstance(destination, S3Destination)
    bucket = destination._open()
    with pytest.raises(DestinationConfigError) as caught:
        destination._call("list", lambda: bucket.call("list_parts", Key="x", SSECustomerKey=["canary"]))
    assert "canary" not in caught.value.text
