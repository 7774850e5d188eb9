"""The object stores and WebDAV do what tests of remote destinations need of them."""

import datetime
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerSasPermissions, generate_container_sas
from botocore.exceptions import ClientError, HTTPClientError, SSLError
from google.api_core.exceptions import BadRequest, GoogleAPICallError, PreconditionFailed
from google.cloud import storage
from google.oauth2 import service_account

from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.azurite import Azurite
from tests.support.servers.objects.gcs import Gcs
from tests.support.servers.objects.moto import REGION, AccessKey, Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED
from tests.support.servers.running.server import Server
from tests.support.servers.webdav import Webdav

DATA = bytes(range(256)) * 400
MIB = 1 << 20


def bucket_of(moto: Moto, name: str, *, locked: bool = False) -> Any:
    client = moto.client()
    place = {"LocationConstraint": REGION}
    client.create_bucket(Bucket=name, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=locked)
    return client


def code_of(step: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as raised:
        step()
    return str(raised.value.response["Error"]["Code"])


def test_s3_stores_and_refuses_an_existing_name(moto: Moto, apart: str) -> None:
    client = bucket_of(moto, apart)
    client.put_object(Bucket=apart, Key="ü 1", Body=DATA, IfNoneMatch="*")
    assert client.get_object(Bucket=apart, Key="ü 1")["Body"].read() == DATA
    assert (
        code_of(lambda: client.put_object(Bucket=apart, Key="ü 1", Body=b"", IfNoneMatch="*")) == "PreconditionFailed"
    )


def test_s3_refuses_wrong_credentials_and_rights_that_a_user_lacks(moto: Moto, apart: str) -> None:
    bucket_of(moto, apart).put_object(Bucket=apart, Key="there", Body=DATA)
    one, key = {"Bucket": apart, "Key": "there"}, moto.access_keys[FULL]
    assert code_of(lambda: moto.client(APPEND_ONLY).delete_object(**one)) == "AccessDenied"
    assert code_of(lambda: moto.client(READ_ONLY).put_object(**one, Body=b"")) == "AccessDenied"
    assert code_of(lambda: moto.client(UNLISTED).list_objects_v2(Bucket=apart)) == "AccessDenied"
    wrong = moto.client_with(AccessKey(key.id, "wrong"))
    assert code_of(lambda: wrong.head_bucket(Bucket=apart)) in ("SignatureDoesNotMatch", "403")
    unknown = moto.client_with(AccessKey("AKIAUNKNOWN", key.secret))
    assert code_of(lambda: unknown.list_objects_v2(Bucket=apart)) == "InvalidAccessKeyId"


def test_s3_keeps_a_locked_version_while_a_plain_delete_only_hides_it(moto: Moto, apart: str) -> None:
    client = bucket_of(moto, apart, locked=True)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    one = {"Bucket": apart, "Key": "archive"}
    version = client.put_object(
        **one, Body=DATA, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]  # fmt: skip
    assert code_of(lambda: client.delete_object(**one, VersionId=version)) == "AccessDenied"
    assert client.delete_object(**one)["DeleteMarker"]
    assert code_of(lambda: client.get_object(**one)) == "NoSuchKey"
    assert client.get_object(**one, VersionId=version)["Body"].read() == DATA


def test_s3_lists_parts_of_an_upload_that_was_cut(moto: Moto, apart: str, proxied: Callable[[Server], Proxy]) -> None:
    bucket_of(moto, apart)
    proxy = proxied(moto)
    client = moto.client(port=proxy.port)
    upload = client.create_multipart_upload(Bucket=apart, Key="big")["UploadId"]
    part = {"Bucket": apart, "Key": "big", "UploadId": upload}
    client.upload_part(**part, PartNumber=1, Body=bytes(5 * MIB))
    proxy.cut(up=2 * MIB)
    with pytest.raises(HTTPClientError):
        client.upload_part(**part, PartNumber=2, Body=bytes(5 * MIB))
    assert [one["Size"] for one in client.list_parts(**part)["Parts"]] == [5 * MIB]
    assert len(client.list_multipart_uploads(Bucket=apart)["Uploads"]) == 1


def test_s3_over_tls_has_a_certificate_of_the_authority(moto_tls: Moto, certificates: Certificates) -> None:
    assert "Buckets" in moto_tls.client().list_buckets()
    with pytest.raises(SSLError):
        moto_tls.client(verify=str(certificates.unknown_ca_file)).list_buckets()


def test_azure_resumes_from_uncommitted_blocks_and_refuses_an_existing_name(azurite: Azurite, apart: str) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string(), retry_total=0) as service:
        blob = service.create_container(apart).get_blob_client("ü 1")
        blob.stage_block("MQ==", DATA)
        assert [one.size for one in blob.get_block_list("uncommitted")[1]] == [len(DATA)]
        blob.commit_block_list([BlobBlock("MQ==")], match_condition=MatchConditions.IfMissing)
        assert blob.download_blob().readall() == DATA
        with pytest.raises(ResourceExistsError):
            blob.commit_block_list([], match_condition=MatchConditions.IfMissing)


def test_azure_refuses_an_expired_signature(azurite: Azurite, apart: str) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string()) as service:
        service.create_container(apart)
    now, hour = datetime.datetime.now(datetime.UTC), datetime.timedelta(hours=1)
    for end, refused in ((now + hour, False), (now - hour, True)):
        signature = generate_container_sas(
            azurite.account, apart, account_key=azurite.account_key, expiry=end, start=now - 2 * hour,
            permission=ContainerSasPermissions(list=True),
        )  # fmt: skip
        with BlobServiceClient(azurite.url, credential=signature, retry_total=0) as service:
            if refused:
                with pytest.raises(HttpResponseError, match="AuthorizationFailure"):
                    list(service.get_container_client(apart).list_blobs())
            else:
                assert list(service.get_container_client(apart).list_blobs()) == []


@pytest.fixture
def bucket(gcs: Gcs, apart: str) -> Iterator[storage.Bucket]:
    client = client_of(gcs, gcs.port)
    yield client.create_bucket(apart)
    client.close()


def client_of(gcs: Gcs, port: int) -> storage.Client:
    scope = "https://www.googleapis.com/auth/devstorage.read_write"
    login = service_account.Credentials.from_service_account_info(gcs.service_account(port), scopes=[scope])
    return storage.Client(project="backups", credentials=login, client_options={"api_endpoint": gcs.url_at(port)})


@pytest.mark.parametrize("chunk_size", [1 << 18, None])
def test_gcs_refuses_an_existing_name(bucket: storage.Bucket, chunk_size: int | None) -> None:
    blob = bucket.blob("ü 1", chunk_size=chunk_size)
    blob.upload_from_file(io.BytesIO(DATA * 10), if_generation_match=0, checksum="crc32c")
    assert blob.download_as_bytes(checksum="crc32c") == DATA * 10
    with pytest.raises(PreconditionFailed):
        bucket.blob("ü 1", chunk_size=chunk_size).upload_from_file(io.BytesIO(DATA), if_generation_match=0)
    assert bucket.get_blob("ü 1").size == len(DATA) * 10


def test_gcs_refuses_a_wrong_checksum(bucket: storage.Bucket) -> None:
    blob = bucket.blob("wrong")
    blob.crc32c = "AAAAAA=="
    with pytest.raises(BadRequest):
        blob.upload_from_string(DATA, checksum=None)
    assert not bucket.blob("wrong").exists()


def test_gcs_lists_in_pages(bucket: storage.Bucket) -> None:
    for number in range(5):
        bucket.blob(f"name-{number}").upload_from_string(b"")
    pages = bucket.list_blobs(page_size=2, prefix="name-").pages
    assert [[one.name for one in page] for page in pages] == [["name-0", "name-1"], ["name-2", "name-3"], ["name-4"]]


def test_gcs_says_how_much_of_a_cut_upload_arrived(gcs: Gcs, bucket: storage.Bucket) -> None:
    session = bucket.blob("cut").create_resumable_upload_session(size=len(DATA) * 10, if_generation_match=0)
    sent = DATA[: 1 << 16] * 4
    place = f"bytes 0-{len(sent) - 1}/{len(DATA) * 10}"
    answer = requests.put(session, data=sent, headers={"Content-Range": place}, timeout=20)
    asked = requests.put(session, headers={"Content-Range": f"bytes */{len(DATA) * 10}"}, timeout=20)
    assert [answer.status_code, asked.status_code] == [308, 308]
    assert asked.headers["Range"] == f"bytes=0-{len(sent) - 1}"


def test_gcs_refuses_requests_without_a_token(gcs: Gcs, bucket: storage.Bucket) -> None:
    answer = requests.get(f"{gcs.url}/storage/v1/b/{bucket.name}/o", timeout=20)
    assert answer.status_code == 401
    with pytest.raises(GoogleAPICallError):
        bucket.client.get_bucket("not-there")


@pytest.fixture
def web(certificates: Certificates) -> Iterator[requests.Session]:
    with requests.Session() as session:
        # with the environment trusted, REQUESTS_CA_BUNDLE prevails
        session.trust_env = False
        session.verify = str(certificates.ca_file)
        yield session


def test_webdav_stores_moves_and_refuses_an_existing_name(webdav: Webdav, web: requests.Session, apart: str) -> None:
    web.auth, folder = (FULL, webdav.password), webdav.url(FULL)
    target = {"Destination": f"{folder}{apart}", "Overwrite": "F"}
    for expected in (201, 412):
        assert web.put(f"{folder}ü%20{apart}", data=DATA).status_code == 201 or expected == 412
        assert web.request("MOVE", f"{folder}ü%20{apart}", headers=target).status_code == expected
    assert web.get(f"{folder}{apart}").content == DATA
    assert (webdav.home(FULL) / apart).read_bytes() == DATA


def test_webdav_refuses_what_an_account_may_not_do(webdav: Webdav, web: requests.Session, apart: str) -> None:
    def status(account: str, method: str, **options: Any) -> int:
        web.auth = (account, webdav.password)
        return web.request(method, f"{webdav.url(account)}{apart}", **options).status_code

    assert [status(APPEND_ONLY, "PUT", data=DATA), status(APPEND_ONLY, "DELETE")] == [201, 403]
    assert status(READ_ONLY, "MKCOL") == 403
    assert [status(SMALL, "PUT", data=bytes(9 * MIB)), status(SMALL, "DELETE")] == [507, 204]
    web.auth = (UNLISTED, webdav.password)
    assert web.request("PROPFIND", webdav.url(UNLISTED), headers={"Depth": "1"}).status_code == 403
    web.auth = (FULL, "wrong")
    assert web.get(webdav.url(FULL)).status_code == 401


def test_webdav_says_how_much_room_is_left(webdav: Webdav, web: requests.Session) -> None:
    web.auth = (SMALL, webdav.password)
    asked = '<propfind xmlns="DAV:"><prop><quota-available-bytes/></prop></propfind>'
    answer = web.request("PROPFIND", webdav.url(SMALL), headers={"Depth": "0"}, data=asked)
    available = int(answer.text.partition("quota-available-bytes>")[2].partition("<")[0])
    assert 0 < available <= 8 * MIB
