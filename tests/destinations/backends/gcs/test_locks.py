"""Object retention, versions and soft delete: the requests, against answers as Google documents them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from destinations.backends import Destination, create_destination
from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.gcs import bucket
from destinations.exceptions import DestinationConfigError, Locked, NotFound, VerificationFailed
from tests.destinations.conftest import put
from tests.support.servers.objects.stand_in import answering

PATH = "shop/manual/backup.tar.gz"
OBJECTS = "/storage/v1/b/backups/o"


class Store:
    """A bucket with object retention; `keeps` and `locks` say whether it heeds its locks and takes them."""

    def __init__(self) -> None:
        self.generations: list[dict[str, Any]] = []
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.keeps = self.locks = True
        self.versions = self.soft_delete = False
        self.port = 0

    def live(self, name: str) -> dict[str, Any] | None:
        return next((one for one in self.generations if one["name"] == name and not is_gone(one)), None)

    def add(self, about: dict[str, Any], size: int) -> dict[str, Any]:
        if not self.locks:
            about.pop("retention", None)
        made = {"updated": "2026-01-01T00:00:00Z", "size": str(size), "generation": str(len(self.generations) + 1)}
        self.generations.append(about | made)
        return self.generations[-1]

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
        about = json.loads(body) if body.startswith(b"{") else {}
        self.requests.append((method, path, query, about))
        if path.startswith("/upload"):
            self.sessions[query["name"]] = about
            return 200, {"Location": f"http://127.0.0.1:{self.port}/session?upload_id={query['name']}"}, b""
        if path == "/session":
            # the question how much has arrived
            if headers["content-range"].startswith("bytes */") and headers["content-range"] != "bytes */0":
                return 308, {}, b""
            return self.said(self.add(self.sessions[query["upload_id"]], len(body)))
        if path == OBJECTS:
            return self.said({"kind": "storage#objects", "items": self.listed(query)})
        name, _, action = path.removeprefix(f"{OBJECTS}/").partition("/rewriteTo")
        name = name.removesuffix("/restore")
        if method == "POST":
            number = query.get("sourceGeneration") or query["generation"]
            source = next(one for one in self.generations if one["generation"] == number)
            assert query["ifGenerationMatch"] == "0"
            if action and "rewriteToken" not in query:
                return self.said({"done": False, "rewriteToken": "more"})
            self.add({"name": name, "crc32c": source["crc32c"]}, int(source["size"]))
            return self.said({"done": True})
        found = self.live(name)
        if found is None:
            return 404, {}, b"{}"
        if method == "PATCH":
            found |= about
        if method == "DELETE":
            return self.delete(found, query)
        return self.said(found)

    def delete(self, found: dict[str, Any], query: dict[str, str]) -> Any:
        if self.keeps and "retention" in found and query.get("generation"):
            error = {"error": {"message": "locked", "errors": [{"reason": "retentionPolicyNotMet"}]}}
            return 403, {}, json.dumps(error).encode()
        if self.versions and not query.get("generation"):
            found["timeDeleted"] = "2026-01-02T00:00:00Z"
        elif self.soft_delete:
            found["softDeleteTime"] = "2026-01-02T00:00:00Z"
        else:
            self.generations.remove(found)
        return 204, {}, b""

    def listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        soft = "softDeleted" in query
        known = [one for one in self.generations if one["name"].startswith(query["prefix"])]
        known = [one for one in known if bool(one.get("softDeleteTime")) == soft]
        if "versions" not in query and not soft:
            known = [one for one in known if not is_gone(one)]
        return sorted(known, key=lambda one: (str(one["name"]), int(one["generation"])))

    def said(self, answer: dict[str, Any]) -> Any:
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def is_gone(one: dict[str, Any]) -> bool:
    return "timeDeleted" in one or "softDeleteTime" in one


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(bucket, "_credentials", lambda *args: AnonymousCredentials())
    store = Store()
    with answering(store.answer) as store.port:
        yield store


def opened(store: Store, **options: Any) -> Destination:
    endpoint = f"http://127.0.0.1:{store.port}"
    common = {"bucket_name": "backups", "custom_endpoint": endpoint, "credentials": "{}", "lock_max_days": 60}
    return create_destination("gcs", common | options)


def test_an_archive_is_locked_by_the_request_that_begins_its_upload(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        stored = put(destination, PATH, b"x")
    ((_, _, _, about),) = [request for request in store.requests if request[1].startswith("/upload")]
    assert about["retention"]["mode"] == "Locked"
    assert stored.locked_until == datetime.fromisoformat(about["retention"]["retainUntilTime"])
    assert abs(stored.locked_until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_what_is_locked_is_not_deleted(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        put(destination, PATH, b"x")
        with pytest.raises(Locked) as caught:
            destination.delete(PATH)
    assert caught.value.until is not None
    assert "DELETE" not in [method for method, *_ in store.requests]


def test_a_lock_is_set_and_made_longer_never_shorter_and_never_beyond_what_is_confirmed(store: Store) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with opened(store, lock_mode="Unlocked") as destination:
        put(destination, PATH, b"x")
        assert destination.lock(PATH, now + timedelta(days=20)).locked_until == now + timedelta(days=20)
        assert destination.lock(PATH, now + timedelta(days=10)).locked_until == now + timedelta(days=20)
        with pytest.raises(DestinationConfigError) as caught:
            destination.lock(PATH, now + timedelta(days=90))
    assert caught.value.option == "lock_max_days"
    ((_, _, _, about),) = [request for request in store.requests if request[0] == "PATCH"]
    assert about["retention"]["mode"] == "Unlocked"


def test_a_strict_lock_stays_strict_and_a_lax_one_becomes_so_by_a_word_of_its_own(store: Store) -> None:
    now = datetime.now(UTC)
    for before, after, modes, words in (
        ("Locked", "Unlocked", ["Locked"], [{}]),
        ("Unlocked", "Locked", ["Locked"], [{"overrideUnlockedRetention": "true"}]),
    ):
        store.requests.clear()
        with opened(store, lock_days=5, lock_mode=before) as destination:
            put(destination, f"shop/manual/{before}.tar", b"x")
        with opened(store, lock_mode=after) as destination:
            destination.lock(f"shop/manual/{before}.tar", now + timedelta(days=20))
        changes = [(query, about) for method, _, query, about in store.requests if method == "PATCH"]
        assert [about["retention"]["mode"] for _, about in changes] == modes
        assert [query for query, _ in changes] == words


def test_the_test_tries_to_delete_a_locked_generation(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        ((name, step),) = destination.lock_steps()
        assert (name, "refuses" in step()) == ("lock", True)
        assert [one["name"].startswith(LOCK_PROBE) for one in store.generations] == [True]
        assert list(destination.list()) == []
        store.keeps = False
        with pytest.raises(VerificationFailed, match="protect nothing"):
            step()
        store.locks = False
        with pytest.raises(VerificationFailed, match="keeps none"):
            step()


def test_an_archive_that_the_store_does_not_lock_is_refused(store: Store) -> None:
    store.locks = False

    def deaf(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
        return store.answer("GET" if method == "PATCH" else method, path, query, headers, body)

    with answering(deaf) as store.port, opened(store, lock_days=30) as destination:
        with pytest.raises(VerificationFailed, match="not locked until"):
            put(destination, PATH, b"x")
        assert list(destination.list()) == []


@pytest.mark.parametrize("kind", ["versions", "soft_delete"])
def test_a_deleted_archive_is_shown_as_hidden_and_comes_back(store: Store, kind: str) -> None:
    setattr(store, kind, True)
    with opened(store, location="site") as destination:
        for name in ("a/manual/1.tar", "b/manual/2.tar"):
            put(destination, name, name.encode())
        destination.delete("a/manual/1.tar")
        assert [(file.path, file.size_bytes) for file in destination.list_hidden()] == [("a/manual/1.tar", 14)]
        assert list(destination.list_hidden("b")) == []
        assert destination.restore_hidden("a/manual/1.tar").size_bytes == 14
        assert list(destination.list_hidden()) == []
        with pytest.raises(NotFound):
            destination.restore_hidden("a/manual/9.tar")


@pytest.mark.parametrize("kind", ["versions", "soft_delete"])
def test_the_version_of_the_size_that_was_uploaded_comes_back(store: Store, kind: str) -> None:
    setattr(store, kind, True)
    with opened(store) as destination:
        for data in (b"archive", b"junk"):
            put(destination, PATH, data)
            destination.delete(PATH)
        assert [file.size_bytes for file in destination.list_hidden()] == [4]
        assert destination.restore_hidden(PATH, size=7).size_bytes == 7


def test_an_emulator_without_versions_hides_nothing(open_gcs: Any) -> None:
    destination = open_gcs()
    put(destination, PATH, b"x")
    assert list(destination.list_hidden()) == []
