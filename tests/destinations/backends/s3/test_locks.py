"""Object lock, and what versions keep of deleted files."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from destinations.backends import Destination
from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.remote.locks import PROBE_SECONDS
from destinations.backends.s3 import S3Destination
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import (
    DestinationConfigError,
    DestinationUnavailable,
    Locked,
    NotFound,
    VerificationFailed,
)
from tests.destinations.backends.s3.buckets import BUCKET, LOCKED_BUCKET
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.objects.moto import Moto
from tests.support.servers.running.accounts import APPEND_ONLY

PATH = "shop/manual/backup.tar.gz"
LOCK = {"bucket_name": LOCKED_BUCKET, "lock_days": 2, "lock_max_days": 3}


def versions(bucket: Any, destination: Destination) -> list[dict[str, Any]]:
    prefix = f"{destination.options['location']}/"
    found: list[dict[str, Any]] = bucket.list_object_versions(Bucket=LOCKED_BUCKET, Prefix=prefix).get("Versions", [])
    return found


@pytest.fixture
def locking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Let uploads in parts be locked, which the emulator does not; the parameters of their creation are returned."""
    created: list[dict[str, Any]] = []
    call = Bucket.call

    def lock_too(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        answer = call(self, operation, **parameters)
        if operation == "create_multipart_upload":
            created.append(parameters)
        elif operation == "complete_multipart_upload" and "ObjectLockMode" in created[-1]:
            until = created[-1]["ObjectLockRetainUntilDate"]
            retention = {"Mode": created[-1]["ObjectLockMode"], "RetainUntilDate": until}
            call(self, "put_object_retention", Key=parameters["Key"], Retention=retention, ChecksumAlgorithm="SHA256")
        return answer

    monkeypatch.setattr(Bucket, "call", lock_too)
    return created


def test_an_archive_is_locked_from_its_first_moment(open_s3: Open, locking: list[dict[str, Any]]) -> None:
    destination = open_s3(**LOCK)
    stored = put(destination, PATH, b"x")
    assert locking[0]["ObjectLockMode"] == "COMPLIANCE"
    assert stored.locked_until is not None
    expected = datetime.now(UTC) + timedelta(days=2)
    assert abs(stored.locked_until - expected) < timedelta(minutes=1)
    with pytest.raises(Locked) as caught:
        destination.delete(PATH)
    assert caught.value.until == stored.locked_until
    assert f"{stored.locked_until:%Y-%m-%d %H:%M}" in caught.value.message
    assert destination.stat(PATH) == stored
    assert list(destination.list_hidden()) == []


def test_without_the_option_nothing_is_locked(open_s3: Open, locking: list[dict[str, Any]]) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET)
    assert put(destination, PATH, b"x").locked_until is None
    destination.delete(PATH)
    assert list(destination.list()) == []


def test_a_lock_is_made_longer_up_to_the_confirmed_time_and_never_shorter(open_s3: Open) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET, lock_max_days=3)
    put(destination, PATH, b"x")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    assert destination.lock(PATH, until).locked_until == until
    assert destination.lock(PATH, until - timedelta(days=1)).locked_until == until
    with pytest.raises(DestinationConfigError):
        destination.lock(PATH, until + timedelta(days=2))
    assert destination.stat(PATH).locked_until == until
    with pytest.raises(NotFound):
        destination.lock("shop/manual/other.tar", until)


def test_a_legal_hold_is_a_lock_without_an_end(open_s3: Open, bucket: Any) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET)
    put(destination, PATH, b"x")
    key = f"{destination.options['location']}/{PATH}"
    bucket.put_object_legal_hold(Bucket=LOCKED_BUCKET, Key=key, LegalHold={"Status": "ON"}, ChecksumAlgorithm="SHA256")
    with pytest.raises(Locked, match="legal hold"):
        destination.delete(PATH)


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_the_test_tries_to_delete_a_locked_version(
    open_s3: Open, bucket: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the account of the tests may do everything
    monkeypatch.setattr(Bucket, "call", without_bypass(Bucket.call))
    destination = open_s3(**LOCK, lock_mode=mode)
    steps = {step.name: step.detail for step in destination.test()}
    assert "refuses" in steps["lock"]
    assert mode in steps["lock"]
    assert list(destination.list()) == []
    # the file of the test stays until its lock ends; it is hidden
    kept = versions(bucket, destination)
    assert [LOCK_PROBE in entry["Key"] for entry in kept] == [True]
    version = {"Key": kept[0]["Key"], "VersionId": kept[0]["VersionId"]}
    head = bucket.head_object(Bucket=LOCKED_BUCKET, **version)
    assert head["ObjectLockRetainUntilDate"] < datetime.now(UTC) + timedelta(seconds=PROBE_SECONDS + 5)


def without_bypass(call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def denied(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        parameters.pop("BypassGovernanceRetention", None)
        return call(self, operation, **parameters)

    return denied


def test_the_file_of_an_earlier_test_goes_with_the_next_one_and_a_locked_one_stays(open_s3: Open, bucket: Any) -> None:
    destination = open_s3(**LOCK)
    key = f"{destination.options['location']}/{LOCK_PROBE}before.bin"
    ended = bucket.put_object(Bucket=LOCKED_BUCKET, Key=key, Body=b"locked")["VersionId"]
    destination.test()
    (first,) = [entry["VersionId"] for entry in versions(bucket, destination)]
    destination.test()
    after = {entry["VersionId"] for entry in versions(bucket, destination)}
    assert len(after) == 2
    assert first in after
    assert ended not in after


def test_a_refusal_for_lack_of_a_right_is_not_taken_for_one_by_the_lock(
    open_s3: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Bucket.call

    def refuse(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "delete_object" and "VersionId" in parameters:
            raise S3Refused("DeleteObject", "AccessDenied", 403, "User is not authorized to perform it", {})
        return call(self, operation, **parameters)

    monkeypatch.setattr(Bucket, "call", refuse)
    steps = {step.name: step.detail for step in open_s3(**LOCK).test()}
    assert "no right to delete versions" in steps["lock"]


def test_an_account_that_may_bypass_the_lock_fails_the_test(open_s3: Open) -> None:
    with pytest.raises(VerificationFailed) as caught:
        open_s3(**LOCK, lock_mode="GOVERNANCE").test()
    assert "s3:BypassGovernanceRetention" in caught.value.hint


def test_a_store_whose_locks_hold_nothing_fails_the_test(open_s3: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Bucket.call

    def unlocked(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_object":
            parameters = {name: value for name, value in parameters.items() if not name.startswith("ObjectLock")}
        answer = call(self, operation, **parameters)
        # it says that the file is locked, and deletes it
        return answer | ({"ObjectLockRetainUntilDate": datetime.now(UTC)} if operation == "head_object" else {})

    monkeypatch.setattr(Bucket, "call", unlocked)
    with pytest.raises(VerificationFailed, match="locks protect nothing"):
        open_s3(**LOCK).test()
    with pytest.raises(VerificationFailed, match="no versions"):
        open_s3(**LOCK | {"bucket_name": BUCKET}).test()


def test_an_account_that_does_not_see_locks_fails_the_test(open_s3: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Bucket.call

    def blind(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        answer = call(self, operation, **parameters)
        return {name: value for name, value in answer.items() if not name.startswith("ObjectLock")}

    monkeypatch.setattr(Bucket, "call", blind)
    with pytest.raises(VerificationFailed) as caught:
        open_s3(**LOCK).test()
    assert "s3:GetObjectRetention" in caught.value.hint


def test_a_bucket_without_object_lock_is_named_by_the_test(open_s3: Open) -> None:
    with pytest.raises(DestinationUnavailable) as caught:
        open_s3(**LOCK | {"bucket_name": BUCKET}).test()
    assert caught.value.hint


def test_a_deleted_archive_is_shown_as_hidden_and_comes_back(open_s3: Open, bucket: Any) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET)
    for name in ("a/manual/1.tar", "a/manual/2.tar", "b/manual/3.tar"):
        put(destination, name, name.encode())
    destination.delete("a/manual/1.tar")
    destination.delete("b/manual/3.tar")
    # hidden twice: an attacker deletes by name whatever is there
    bucket.delete_object(Bucket=LOCKED_BUCKET, Key=f"{destination.options['location']}/a/manual/1.tar")
    assert [(file.path, file.size_bytes) for file in destination.list_hidden()] == [
        ("a/manual/1.tar", 14), ("b/manual/3.tar", 14),
    ]  # fmt: skip
    assert [file.path for file in destination.list_hidden("a")] == ["a/manual/1.tar"]
    assert destination.restore_hidden("a/manual/1.tar").size_bytes == 14
    sink = io.BytesIO()
    destination.get("a/manual/1.tar", sink)
    assert sink.getvalue() == b"a/manual/1.tar"
    assert [file.path for file in destination.list_hidden()] == ["b/manual/3.tar"]
    with pytest.raises(NotFound):
        destination.restore_hidden("a/manual/9.tar")


def test_the_version_of_the_size_that_was_uploaded_comes_back(open_s3: Open, bucket: Any) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET)
    put(destination, PATH, b"archive")
    key = f"{destination.options['location']}/{PATH}"
    bucket.put_object(Bucket=LOCKED_BUCKET, Key=key, Body=b"junk")
    bucket.delete_object(Bucket=LOCKED_BUCKET, Key=key)
    assert [file.size_bytes for file in destination.list_hidden()] == [4]
    assert destination.restore_hidden(PATH, size=7).size_bytes == 7
    assert list(destination.list_hidden()) == []


def test_a_hidden_archive_is_found_across_pages(open_s3: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_s3(bucket_name=LOCKED_BUCKET)
    prefix = destination.options["location"]
    for number in range(3):
        put(destination, f"a/manual/{number}.tar", b"x")
        destination.delete(f"a/manual/{number}.tar")
    entries = bucket.list_object_versions(Bucket=LOCKED_BUCKET, Prefix=f"{prefix}/")
    versions, markers = entries["Versions"], entries["DeleteMarkers"]
    # a page ends between a delete marker and the version beneath it
    pages = [
        {"IsTruncated": True, "NextKeyMarker": "1", "DeleteMarkers": markers[:1]},
        {"IsTruncated": True, "NextKeyMarker": "2", "Versions": versions[:2], "DeleteMarkers": markers[1:2]},
        {"IsTruncated": False, "Versions": versions[2:], "DeleteMarkers": markers[2:]},
    ]
    monkeypatch.setattr(Bucket, "call", lambda *args, **parameters: pages.pop(0))
    assert [file.path for file in destination.list_hidden()] == [f"a/manual/{number}.tar" for number in range(3)]


def test_a_type_without_locks_says_so(local: Destination) -> None:
    put(local, PATH, b"x")
    assert not local.can_lock
    assert list(local.list_hidden()) == []
    with pytest.raises(DestinationConfigError):
        local.lock(PATH, datetime.now(UTC))
    with pytest.raises(NotFound):
        local.restore_hidden(PATH)


@pytest.mark.parametrize(
    ("options", "option"),
    [({"lock_days": 5}, "lock_max_days"), ({"lock_days": 5, "lock_max_days": 4}, "lock_days")],
)
def test_locks_are_confirmed_by_their_longest_time(open_s3: Open, options: dict[str, Any], option: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        open_s3(**options)
    assert caught.value.option == option


def test_a_locked_upload_that_reads_back_differently_is_hidden(
    open_s3: Open, locking: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_s3(**LOCK, read_back=True)
    monkeypatch.setattr(S3Destination, "hash_of", lambda *args: "other")
    with pytest.raises(VerificationFailed):
        put(destination, PATH, b"x")
    assert list(destination.list()) == []
    assert [file.path for file in destination.list_hidden()] == [PATH]


def test_an_account_that_may_only_add_tests_locks_and_leaves_its_small_files(open_s3: Open, moto: Moto) -> None:
    key = moto.access_keys[APPEND_ONLY]
    destination = open_s3(**LOCK, access_key=key.id, secret_key=key.secret, append_only=True)
    steps = {step.name: step.detail for step in destination.test()}
    assert "no right to delete versions" in steps["lock"] or "refuses" in steps["lock"]
    assert "the store refuses" in steps["delete"]
    # that of the lock is not listed
    (left,) = destination.list()
    assert left.size_bytes == 1024
