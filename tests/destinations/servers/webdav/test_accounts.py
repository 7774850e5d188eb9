"""Logins, certificates, rights, quotas, and folders that are not there."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import DestinationFull, DestinationUnavailable, NameTaken, NotFound, PeerNotTrusted
from tests.destinations.conftest import files_below, put
from tests.destinations.contract.webdav_place import account
from tests.destinations.servers.webdav.conftest import Open
from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED
from tests.support.servers.webdav import Webdav

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


@contextmanager
def using(server: Webdav, certificate: Certificate) -> Iterator[None]:
    before = server.certificate
    server.use(certificate)
    try:
        yield
    finally:
        assert before is not None
        server.use(before)


def test_the_test_names_each_step(opened: Open) -> None:
    steps = {step.name: step.detail for step in opened().test()}
    assert list(steps)[:4] == ["resolve", "connect", "TLS", "log in"]
    assert "TLSv1.3" in steps["TLS"]
    assert steps["free space"] != "not reported"


@pytest.mark.parametrize(("user", "password"), [(FULL, "canary-wrong"), ("nobody", "canary-wrong")])
def test_a_wrong_login_is_refused_and_not_repeated(opened: Open, user: str, password: str, webdav: Webdav) -> None:
    with pytest.raises(DestinationUnavailable, match="refuses the login") as caught:
        opened(username=user, password=password).stat(PATH)
    assert f"{webdav.host}:{webdav.port}" in caught.value.message
    assert "canary" not in caught.value.text


def test_without_encryption_a_password_is_sent_by_digest_where_the_server_knows_it(
    certificates: Certificates, apart: str
) -> None:
    with Webdav(certificates, digest=True) as server:
        options = {**account(server), "base_path": apart}
        with WebdavDestination(options) as destination:
            destination.test()
            put(destination, PATH, b"digest")
            assert (server.home(FULL) / apart / PATH).read_bytes() == b"digest"
            assert destination.warnings()
        with (
            WebdavDestination({**options, "password": "wrong"}) as wrong,
            pytest.raises(DestinationUnavailable, match="refuses the login"),
        ):
            wrong.stat(PATH)


@pytest.mark.parametrize(
    ("kind", "says"), [("expired", "has expired"), ("wrong_name", "another"), ("unknown_ca", "not trusted here")]
)
def test_a_wrong_certificate_is_refused(
    webdav: Webdav, certificates: Certificates, opened: Open, kind: str, says: str
) -> None:
    with using(webdav, getattr(certificates, kind)):
        with pytest.raises(PeerNotTrusted, match=says) as caught:
            opened().test()
        assert f"{webdav.host}:{webdav.port}" in caught.value.message
        assert caught.value.hint


def test_a_certificate_is_pinned_and_another_one_is_an_alarm_that_names_both(
    webdav: Webdav, certificates: Certificates, opened: Open, apart: str
) -> None:
    pinned = certificates.valid.fingerprint
    opened(ca_file="", certificate_fingerprint=pinned).require_reachable()
    with using(webdav, certificates.renewed):
        with pytest.raises(PeerNotTrusted) as caught:
            opened(ca_file="", certificate_fingerprint=pinned).require_reachable()
        said = caught.value.message.replace(":", "").lower()
        assert pinned in said and certificates.renewed.fingerprint in said
        fetched = WebdavDestination.fetch_peer_key({**account(webdav), "base_path": apart})
        assert fetched.fingerprint.replace(":", "").lower() == certificates.renewed.fingerprint


def test_an_account_that_may_not_write_is_told_so(opened: Open) -> None:
    with pytest.raises(DestinationUnavailable, match="does not permit") as caught:
        put(opened(READ_ONLY), PATH, b"x")
    assert "right" in caught.value.hint


def test_a_folder_that_may_not_be_listed_never_reads_as_empty(webdav: Webdav, opened: Open, apart: str) -> None:
    (webdav.home(UNLISTED) / apart / "shop").mkdir(parents=True)
    destination = opened(UNLISTED)
    for listing in (destination.list, destination.list_partials):
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(listing())
    with pytest.raises(DestinationUnavailable):
        opened(UNLISTED, established=True).stat(PATH)


def test_an_account_that_may_not_delete_stores_and_is_told_so(webdav: Webdav, opened: Open, apart: str) -> None:
    destination = opened(APPEND_ONLY)
    (webdav.home(APPEND_ONLY) / apart / "shop").mkdir(parents=True)
    (webdav.home(APPEND_ONLY) / apart / "shop" / "a.tar").write_bytes(b"x")
    with pytest.raises(DestinationUnavailable, match="does not permit"):
        destination.delete("shop/a.tar")


def test_a_quota_is_said_before_the_first_byte(opened: Open) -> None:
    with pytest.raises(DestinationFull, match="free"):
        opened(SMALL).put(io.BytesIO(bytes(16 * MIB)), PATH, size=16 * MIB, token="t")


def test_a_quota_that_is_reached_in_the_middle_leaves_nothing(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebdavDestination, "free_space", lambda self: None)
    destination = opened(SMALL)
    put(destination, "shop/manual/other.tar", os.urandom(4 * MIB))
    with pytest.raises(DestinationFull, match="full"):
        destination.put(io.BytesIO(bytes(10 * MIB)), PATH, size=10 * MIB, token="t")
    assert [file.path for file in destination.list()] == ["shop/manual/other.tar"]
    assert list(destination.list_partials()) == []
    destination.delete("shop/manual/other.tar")


def test_a_folder_whose_parent_is_missing_is_an_error_and_nothing_is_made(opened: Open, webdav: Webdav) -> None:
    with pytest.raises(DestinationUnavailable, match="folder above it does not exist"):
        put(opened(base_path="mnt/nas/backups"), PATH, b"x")
    assert not (webdav.home(FULL) / "mnt").exists()


def test_archives_that_were_there_and_are_gone_are_an_error(opened: Open, root: Path) -> None:
    put(opened(), PATH, b"x")
    opened(established=True).stat(PATH)
    shutil.rmtree(root)
    for use in (lambda d: list(d.list()), lambda d: put(d, PATH, b"x")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use(opened(established=True))
    assert not root.exists()


def test_a_folder_in_place_of_an_archive_is_never_deleted(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    (root / "shop" / "manual" / "other.tar").mkdir()
    (root / "shop" / "manual" / "other.tar" / "kept").touch()
    with pytest.raises(NotFound):
        destination.delete("shop/manual/other.tar")
    assert (root / "shop" / "manual" / "other.tar" / "kept").exists()


def test_a_name_that_another_program_takes_during_the_upload_is_not_overwritten(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    folder = destination._opened()
    # between the look and the move: what stands then is the header
    monkeypatch.setattr(folder, "look", lambda path, **options: (root / PATH).write_bytes(b"theirs") and None)
    (root / f"{PATH}.t.part").write_bytes(b"ours")
    with pytest.raises(NameTaken):
        folder.publish(f"{PATH}.t.part", PATH)
    assert (root / PATH).read_bytes() == b"theirs"


def test_thousands_of_foreign_files_are_no_concern(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    for number in range(1000):
        (root / f"Bild {number} für Opa & Oma 100%.jpg").touch()
    assert [file.path for file in destination.list()] == [PATH]


def test_folders_with_spaces_and_umlauts_hold_archives(opened: Open, webdav: Webdav, apart: str) -> None:
    name = f"Größe & Söhne 100% {apart}"
    destination = opened(base_path=name)
    put(destination, PATH, b"x")
    assert (webdav.home(FULL) / name / PATH).read_bytes() == b"x"
    assert [file.path for file in destination.list()] == [PATH]
    assert files_below(webdav.home(FULL) / name) == [PATH]
