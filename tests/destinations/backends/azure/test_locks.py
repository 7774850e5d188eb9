"""Immutability policies: the requests, because Azurite has none, against answers as Azure documents them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from destinations.backends import create_destination
from destinations.exceptions import DestinationConfigError, Locked, NotFound, VerificationFailed
from tests.destinations.conftest import put
from tests.support.servers.objects.stand_in import answering

KEY = "b3RoZXIta2V5LW9mLXRoZS10ZXN0cw=="
PATH = "shop/manual/backup.tar.gz"
UNTIL, MODE = "x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode"


class Store:
    """A container with version-level immutability; `keeps` says whether it takes its own locks seriously."""

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, str]] = {}
        self.blocks: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.keeps = self.locks = True
        # entries of a listing of what is kept, as XML
        self.kept = ""
        self.port = 0

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
        """Return status, headers and body."""
        self.requests.append((method, query.get("comp", ""), headers))
        about = {"ETag": '"1"', "Last-Modified": format_datetime(datetime.now(UTC), usegmt=True)}
        match method, query.get("comp", ""):
            case "PUT", "block":
                self.blocks.append(query["blockid"])
                return 201, {}, b""
            case "GET", "blocklist":
                found = "".join(f"<Block><Name>{one}</Name><Size>1</Size></Block>" for one in self.blocks)
                return 200, about, f"<BlockList><UncommittedBlocks>{found}</UncommittedBlocks></BlockList>".encode()
            case "PUT", "blocklist":
                policy = {name: headers[name] for name in (UNTIL, MODE) if name in headers} if self.locks else {}
                size = str(len(self.blocks) if path.endswith(PATH) else 0)
                self.blobs[path] = {"Content-Length": size, "x-ms-version-id": "v1", **policy}
                return 201, about | {"x-ms-request-server-encrypted": "true"}, b""
            case "PUT", "immutabilityPolicies":
                self.blobs[path] |= {name: headers[name] for name in (UNTIL, MODE)}
                return 200, {}, b""
            case "HEAD", _:
                if path not in self.blobs:
                    return 404, {"x-ms-error-code": "BlobNotFound"}, b""
                return 200, about | {"x-ms-blob-type": "BlockBlob"} | self.blobs[path], b""
            case "PUT", "undelete":
                self.kept = self.kept.replace("<Deleted>true</Deleted>", "")
                return 200, {}, b""
            case "PUT", "" if "x-ms-copy-source" in headers:
                self.blobs[path] = {"Content-Length": "7"}
                return 202, about | {"x-ms-copy-status": "success", "x-ms-copy-id": "1"}, b""
            case "DELETE", _:
                if self.keeps and query.get("versionid") and UNTIL in self.blobs[path]:
                    return 409, {"x-ms-error-code": "BlobImmutableDueToPolicy"}, b""
                if not query.get("versionid"):
                    self.blobs.pop(path)
                return 202, {}, b""
        kept = self.kept if "deleted" in query.get("include", "") else ""
        listing = (
            f'<EnumerationResults ServiceEndpoint="x" ContainerName="c"><Blobs>{kept}</Blobs></EnumerationResults>'
        )
        return 200, {}, listing.encode()


def entry(name: str, *, version: str = "", current: bool = False, deleted: bool = False, size: int = 7) -> str:
    """Return a blob in a listing, as Azure writes it."""
    return (
        f"<Blob><Name>{name}</Name>{'<Deleted>true</Deleted>' if deleted else ''}"
        f"{f'<VersionId>{version}</VersionId>' if version else ''}"
        f"{'<IsCurrentVersion>true</IsCurrentVersion>' if current else ''}"
        "<Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>1</Etag>"
        f"<Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType></Properties><Metadata /></Blob>"
    )


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    with answering(store.answer) as store.port:
        yield store


def opened(store: Any, **options: Any) -> Any:
    login = {"account_name": "a", "account_key": KEY, "endpoint_url": f"http://127.0.0.1:{store.port}"}
    return create_destination("azure", {"azure_container": "backups", "lock_max_days": 60} | login | options)


def header_of(store: Store, comp: str, name: str) -> str:
    return next(headers.get(name, "") for _, asked, headers in store.requests if asked == comp)


def test_an_archive_is_locked_by_the_request_that_publishes_it(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        stored = put(destination, PATH, b"x")
    published = [headers for method, comp, headers in store.requests if (method, comp) == ("PUT", "blocklist")]
    assert [headers[MODE] for headers in published] == ["Locked"]
    assert published[0]["if-none-match"] == "*"
    assert abs(stored.locked_until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_what_is_locked_is_not_hidden_by_a_deletion(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        put(destination, PATH, b"x")
        with pytest.raises(Locked) as caught:
            destination.delete(PATH)
    assert caught.value.until is not None
    assert [method for method, _, _ in store.requests].count("DELETE") == 0


def test_a_lock_is_set_and_made_longer_never_shorter_and_never_beyond_what_is_confirmed(store: Store) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with opened(store, lock_mode="Unlocked") as destination:
        put(destination, PATH, b"x")
        assert destination.lock(PATH, now + timedelta(days=20)).locked_until == now + timedelta(days=20)
        assert header_of(store, "immutabilityPolicies", MODE) == "Unlocked"
        assert destination.lock(PATH, now + timedelta(days=10)).locked_until == now + timedelta(days=20)
        with pytest.raises(DestinationConfigError) as caught:
            destination.lock(PATH, now + timedelta(days=90))
        assert caught.value.option == "lock_max_days"


def test_a_strict_lock_stays_strict(store: Store) -> None:
    with opened(store, lock_days=5) as destination:
        put(destination, PATH, b"x")
    with opened(store, lock_mode="Unlocked") as destination:
        destination.lock(PATH, datetime.now(UTC) + timedelta(days=20))
    assert header_of(store, "immutabilityPolicies", MODE) == "Locked"


def test_the_test_tries_to_delete_a_locked_version(store: Store) -> None:
    with opened(store) as destination:
        ((name, step),) = destination.lock_steps()
        assert (name, "refuses" in step()) == ("lock", True)
        store.keeps = False
        with pytest.raises(VerificationFailed, match="protect nothing"):
            step()
        store.locks = False
        with pytest.raises(VerificationFailed, match="keeps none"):
            step()


EARLIER, LATER = "2026-01-01T00:00:00.0000000Z", "2026-01-02T00:00:00.0000000Z"


def test_earlier_versions_of_a_deleted_archive_are_hidden_and_the_newest_comes_back(store: Store) -> None:
    store.kept = (
        entry("a/1.tar", version=EARLIER) + entry("a/1.tar", version=LATER)
        + entry("a/2.tar", version=EARLIER) + entry("a/2.tar", version=LATER, current=True)
    )  # fmt: skip
    with opened(store, account_key="", sas_token="sv=1&sig=c2ln") as destination:
        assert [(file.path, file.size_bytes) for file in destination.list_hidden()] == [("a/1.tar", 7)]
        assert destination.restore_hidden("a/1.tar").size_bytes == 7
    (headers,) = [headers for _, _, headers in store.requests if "x-ms-copy-source" in headers]
    assert f"versionid={LATER.replace(':', '%3A')}&sv=1&sig=" in headers["x-ms-copy-source"]
    assert headers["if-none-match"] == "*"


def test_the_version_of_the_size_that_was_uploaded_comes_back(store: Store) -> None:
    store.kept = entry("a/1.tar", version=EARLIER) + entry("a/1.tar", version=LATER, size=4)
    with opened(store) as destination:
        destination.restore_hidden("a/1.tar", size=7)
    (source,) = [headers["x-ms-copy-source"] for _, _, headers in store.requests if "x-ms-copy-source" in headers]
    assert f"versionid={EARLIER.replace(':', '%3A')}" in source


def test_what_soft_delete_keeps_is_hidden_and_undeleted(store: Store) -> None:
    store.kept = entry("a/1.tar", deleted=True) + entry("a/2.tar")
    store.blobs["/backups/a/1.tar"] = {"Content-Length": "7"}
    with opened(store) as destination:
        assert [file.path for file in destination.list_hidden()] == ["a/1.tar"]
        assert destination.restore_hidden("a/1.tar").size_bytes == 7
        assert list(destination.list_hidden()) == []
        with pytest.raises(NotFound):
            destination.restore_hidden("a/9.tar")
    assert [comp for _, comp, _ in store.requests].count("undelete") == 1
    assert not any("x-ms-copy-source" in headers for _, _, headers in store.requests)


def test_a_version_that_was_deleted_softly_is_undeleted_and_copied_to_its_name(store: Store) -> None:
    store.kept = entry("a/1.tar", version=LATER, deleted=True)
    with opened(store) as destination:
        assert destination.restore_hidden("a/1.tar").size_bytes == 7
    asked = [comp or ("copy" if "x-ms-copy-source" in headers else "") for _, comp, headers in store.requests]
    assert [each for each in asked if each in {"undelete", "copy"}] == ["undelete", "copy"]
