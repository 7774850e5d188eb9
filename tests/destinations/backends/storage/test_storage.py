"""A Django storage as a destination: what is allowed, how a file is published, and what goes wrong."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from pytest_django import Settings

from destinations.backends import create_destination
from destinations.backends.storage import StorageDestination
from destinations.checks import check_storage_aliases
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    VerificationFailed,
)
from tests.destinations.backends.s3.buckets import BUCKET, s3_client
from tests.destinations.conftest import files_below, put
from tests.support.servers.objects.moto import REGION, Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL
from tests.support.servers.running.server import Server

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(MIB + 17)

Open = Callable[..., Any]


class Renaming(FileSystemStorage):
    """Chooses another name, as most storages do for one that is taken."""

    def _save(self, name: str, content: Any) -> str:
        return str(super()._save(name if name.endswith(".part") else f"{name}-2", content))


class Damaging(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        data = b"".join(content.chunks())
        if not name.endswith(".part"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        return str(super()._save(name, ContentFile(data)))


class Broken(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        if name.endswith(".part"):
            return str(super()._save(name, content))
        # as a storage that writes to the final name leaves it
        super()._save(name, ContentFile(next(content.chunks())))
        raise RuntimeError("login failed for canary-password-7")


class ReadOnly(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        raise PermissionError(13, "Permission denied")


class Unlisted(FileSystemStorage):
    def listdir(self, path: str) -> Any:
        raise PermissionError(13, "Permission denied")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StorageDestination, "retry_delays", (0, 0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def opened(settings: Settings, root: Path) -> Iterator[Open]:
    """Return a function that opens a destination in a storage of the given class."""
    found: list[Any] = []

    def open_one(storage: type[FileSystemStorage] = FileSystemStorage, **options: Any) -> Any:
        established = options.pop("established", False)
        allow(settings, f"{storage.__module__}.{storage.__qualname__}", location=str(root))
        found.append(create_destination("storage", {"alias": "archives"} | options, established=established))
        return found[-1]

    yield open_one
    for destination in found:
        destination.close()


def allow(settings: Settings, backend: str, **options: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "archives": {"BACKEND": backend, "OPTIONS": options}}
    settings.BACKUP_STORAGE_ALIASES = ["archives"]


# --- what is allowed ----------------------------------------------------------------------------------------------
def test_no_alias_is_allowed_unless_the_settings_name_it(settings: Settings) -> None:
    assert settings.BACKUP_STORAGE_ALIASES == []
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("storage", {"alias": "staticfiles"})
    assert caught.value.option == "alias"
    assert "BACKUP_STORAGE_ALIASES" in caught.value.hint


def test_an_alias_that_the_settings_do_not_have_is_found_by_the_check_and_the_error(settings: Settings) -> None:
    settings.BACKUP_STORAGE_ALIASES = ["gone", "default"]
    assert [(found.id, "'gone'" in found.msg) for found in check_storage_aliases(None)] == [("destinations.E009", True)]
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("storage", {"alias": "gone"}).stat(PATH)
    assert caught.value.option == "alias"


@pytest.mark.parametrize(
    ("backend", "options"), [("none.such.Storage", {}), ("django.core.files.storage.FileSystemStorage", {"colour": 1})]
)
def test_a_storage_that_cannot_be_made_is_a_mistake_of_the_settings(
    settings: Settings, backend: str, options: dict[str, Any]
) -> None:
    allow(settings, backend, **options)
    with pytest.raises(DestinationConfigError, match="cannot be made"):
        create_destination("storage", {"alias": "archives"}).stat(PATH)


def test_a_file_above_the_limit_is_refused_before_a_byte_is_read(opened: Open, root: Path) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError

    with pytest.raises(DestinationFull, match=r"at most 1\.0 MB") as caught:
        opened(max_size=1).put(Unread(bytes(MIB + 1)), PATH, size=MIB + 1, token="t")
    assert "max_size" in caught.value.hint
    assert not root.exists()


# --- how a file is published --------------------------------------------------------------------------------------
def test_a_file_is_listed_when_it_was_read_back(opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    check = StorageDestination.remote_check

    def look(self: StorageDestination, upload: Any) -> None:
        seen.append([file.path for file in opened().list()])
        seen.append([file.path for file in opened().list_partials()])
        assert len(files_below(root)) == 2
        check(self, upload)

    monkeypatch.setattr(StorageDestination, "remote_check", look)
    put(opened(), PATH, DATA)
    assert seen == [[], [f"{PATH}.token.part"]]
    assert [file.path for file in opened().list()] == files_below(root) == [PATH]


def test_a_storage_that_takes_no_file_is_found_before_an_export(opened: Open, root: Path) -> None:
    with pytest.raises(DestinationError) as caught:
        opened(ReadOnly).require_writable("shop/manual", "t1")
    assert "archives" in caught.value.message
    assert files_below(root) == []
    assert opened().require_writable("shop/manual", "t1") == ""
    assert files_below(root) == []


@pytest.mark.parametrize(("whole", "left"), [(True, [PATH]), (False, [])])
def test_what_a_dead_process_left_is_removed_unless_it_is_whole(
    opened: Open, root: Path, whole: bool, left: list[str]
) -> None:
    marker = {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
    (root / PATH).parent.mkdir(parents=True)
    (root / PATH).write_bytes(DATA if whole else DATA[:-1])
    (root / f"{PATH}.dead.part").write_text(json.dumps(marker))
    destination = opened()
    assert list(destination.list()) == []
    assert destination.sweep("dead") == (f"{PATH}.dead.part",)
    assert files_below(root) == [file.path for file in destination.list()] == left


def test_a_name_that_the_storage_changes_is_not_kept(opened: Open, root: Path) -> None:
    with pytest.raises(NameTaken):
        put(opened(Renaming), PATH, DATA)
    assert files_below(root) == []


def test_a_file_that_another_program_stored_meanwhile_stays(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant(self: StorageDestination, *args: Any) -> None:
        (root / PATH).parent.mkdir(parents=True)
        (root / PATH).write_bytes(b"theirs")

    # between the look for the name and the upload
    monkeypatch.setattr(StorageDestination, "_require_free", plant)
    with pytest.raises(NameTaken):
        put(opened(), PATH, DATA)
    assert files_below(root) == [PATH]
    assert (root / PATH).read_bytes() == b"theirs"


def test_a_file_that_reads_back_differently_is_removed(opened: Open, root: Path) -> None:
    with pytest.raises(VerificationFailed):
        put(opened(Damaging), PATH, DATA)
    assert files_below(root) == []


def test_a_storage_that_fails_leaves_nothing_and_its_text_is_not_shown(opened: Open, root: Path) -> None:
    with pytest.raises(DestinationUnavailable, match="RuntimeError") as caught:
        put(opened(Broken), PATH, DATA)
    assert "canary" not in caught.value.text
    assert files_below(root) == []


def test_a_storage_that_cannot_be_listed_never_reads_as_empty(opened: Open) -> None:
    put(opened(), PATH, b"x")
    for use in (lambda d: list(d.list()), lambda d: list(d.list_partials()), lambda d: d.test()):
        with pytest.raises(DestinationUnavailable, match="Permission denied"):
            use(opened(Unlisted))


def test_archives_that_were_there_and_are_gone_are_an_error(opened: Open) -> None:
    put(opened(), PATH, b"x")
    opened(established=True).stat(PATH)
    with pytest.raises(DestinationUnavailable, match="gone or empty"):
        list(opened(established=True, location="elsewhere").list())


def test_an_error_of_the_progress_is_not_blamed_on_the_storage(opened: Open) -> None:
    def full(moved: int) -> None:
        raise OSError(28, "the database is full")

    with pytest.raises(OSError, match="the database is full"):
        put_with(opened(), full)


def put_with(destination: Any, progress: Callable[[int], None]) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", progress=progress)


# --- a storage of django-storages ---------------------------------------------------------------------------------
@pytest.fixture
def in_bucket(settings: Settings, moto: Moto, apart: str) -> Callable[..., Any]:
    """Return a function that opens a destination in S3Storage of django-storages, at the port of a proxy."""
    s3_client(moto)
    key = moto.access_keys[FULL]

    def open_one(port: int = 0, *, secret: str = key.secret) -> Any:
        allow(
            settings, "storages.backends.s3.S3Storage", bucket_name=BUCKET, location=apart, file_overwrite=True,
            endpoint_url=moto.url_at(port or moto.port), region_name=REGION, access_key=key.id, secret_key=secret,
            addressing_style="path",
        )  # fmt: skip
        return create_destination("storage", {"alias": "archives", "location": "site"})

    return open_one


def test_a_bucket_of_django_storages_keeps_archives_and_overwrites_none(
    in_bucket: Callable[..., Any], moto: Moto, apart: str
) -> None:
    destination = in_bucket()
    put(destination, PATH, DATA)
    sink = io.BytesIO()
    destination.get(PATH, sink)
    assert sink.getvalue() == DATA
    assert [file.path for file in destination.list()] == [PATH]
    with pytest.raises(NameTaken):
        put(destination, PATH, b"second")
    found = s3_client(moto).list_objects_v2(Bucket=BUCKET, Prefix=apart)["Contents"]
    assert [entry["Key"] for entry in found] == [f"{apart}/site/{PATH}"]
    destination.delete(PATH)
    assert list(destination.list()) == []


def test_a_bucket_that_refuses_the_login_is_an_error(in_bucket: Callable[..., Any]) -> None:
    for use in (lambda d: d.stat(PATH), lambda d: list(d.list()), lambda d: put(d, PATH, b"x")):
        with pytest.raises(DestinationUnavailable) as caught:
            use(in_bucket(secret="canary-wrong-key"))
        assert "canary" not in caught.value.text


def test_a_bucket_that_is_not_reached_is_a_lost_connection(
    in_bucket: Callable[..., Any], moto: Moto, proxied: Callable[[Server], Proxy]
) -> None:
    proxy = proxied(moto)
    proxy.refuse()
    with pytest.raises(ConnectionLost):
        in_bucket(proxy.port).stat(PATH)
